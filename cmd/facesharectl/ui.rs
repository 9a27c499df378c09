//! Draws the state of a client.

mod presenter;
mod roster;

use crate::app::{App, ConnectionState};
use crate::describe::Kind;
use crate::text;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

const HOST_KEYS: [&str; 2] = [
    "p present  P stop  ←→ page  ↑↓ scroll  +- zoom  i invite  l lock followers",
    "j k select  f follow  u unfollow  s pause  L lock door  r new code  x remove  E end  q leave",
];
const KEYS: [&str; 2] = [
    "p present  P stop  ←→ page  ↑↓ scroll  +- zoom  i invite",
    "j k select  f follow  u unfollow  s pause or go on  q leave",
];
const WATCH_KEYS: [&str; 2] = [
    "You watch: each presenter is followed for you.",
    "s pause or go on  q leave",
];

/// Draws everything. `now_millis` is the current time, for the times left.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, now_millis: i64) {
    let [header, middle, log, keys] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Min(9),
        Constraint::Max(9),
        Constraint::Length(2),
    ])
    .areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(middle);
    draw_header(frame, app, header, now_millis);
    roster::draw(frame, app, left);
    presenter::draw(frame, app, right);
    draw_log(frame, app, log);
    let help = match app {
        app if app.read_only => WATCH_KEYS,
        app if app.is_host() => HOST_KEYS,
        _ => KEYS,
    };
    frame.render_widget(Paragraph::new(help.map(Line::from).to_vec()).dim(), keys);
    if app.confirming_end {
        draw_question(frame);
    }
}

/// The panel with a title that all parts of the screen use.
pub(crate) fn panel(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(title.bold())
}

fn draw_header(frame: &mut Frame<'_>, app: &App, area: Rect, now_millis: i64) {
    let session = &app.view.face_session;
    let title = if session.title.is_empty() {
        "a face session"
    } else {
        &session.title
    };
    let mut first = vec![
        Span::from(title.to_owned()).bold(),
        Span::from(format!("   {} here", session.member_count)).dim(),
    ];
    if session.locked {
        first.push("   door locked".yellow());
    }
    if !app.view.knocks.is_empty() {
        first.push(
            format!("   {} at the door: a admit  d deny", app.view.knocks.len())
                .yellow()
                .bold(),
        );
    }
    if let Some(end) = app.view.auto_end {
        let left = end
            .ends_at
            .map_or_else(|| "soon".into(), |at| text::time_left(at, now_millis));
        first.push(format!("   ends in {left}").red().bold());
    }
    let mut second = match &app.number_code {
        Some(code) => {
            let left = text::time_left(code.expires_at, now_millis);
            vec![
                "code ".dim(),
                text::grouped(&code.code).cyan().bold(),
                format!("  {left} left").dim(),
            ]
        }
        None => vec!["no number code".dim()],
    };
    second.push("   ".into());
    second.push(connection_state(&app.link));
    if let Some(time) = app.round_trip {
        second.push(format!("  {}", text::round_trip(time)).dim());
    }
    frame.render_widget(
        Paragraph::new(vec![Line::from(first), Line::from(second)]).block(panel(" faceshare ")),
        area,
    );
}

fn connection_state(state: &ConnectionState) -> Span<'static> {
    match state {
        ConnectionState::Connecting => "◌ connecting".yellow(),
        ConnectionState::Connected => "● connected".green(),
        ConnectionState::Reconnecting { attempt, .. } => {
            format!("◌ reconnecting, attempt {attempt}").yellow()
        }
        ConnectionState::Closed(_) => "○ closed".red(),
    }
}

const fn colour(kind: Kind) -> Color {
    match kind {
        Kind::Session => Color::White,
        Kind::Present => Color::Magenta,
        Kind::Follow => Color::Cyan,
        Kind::Position => Color::Gray,
        Kind::Connection => Color::Blue,
        Kind::Warning => Color::Yellow,
    }
}

fn draw_log(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let room = usize::from(area.height.saturating_sub(2));
    let newest = app.log.iter().skip(app.log.len().saturating_sub(room));
    let lines: Vec<Line<'_>> = newest
        .map(|line| Line::from(line.text.as_str()).style(Style::new().fg(colour(line.kind))))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(panel(" events ")), area);
}

fn draw_question(frame: &mut Frame<'_>) {
    let area = frame
        .area()
        .centered(Constraint::Length(44), Constraint::Length(4));
    let question = Paragraph::new(vec![
        Line::from("End the session for everybody?").bold(),
        Line::from("y yes   any other key no").dim(),
    ])
    .wrap(Wrap { trim: true })
    .centered()
    .block(
        Block::bordered()
            .border_type(BorderType::Thick)
            .border_style(Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)),
    );
    frame.render_widget(Clear, area);
    frame.render_widget(question, area);
}

#[cfg(test)]
mod tests;

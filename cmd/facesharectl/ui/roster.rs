//! The list of members: online or not, their devices, and whom they follow.

use super::panel;
use crate::app::App;
use crate::text;
use faceshare_api::v1::Member;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(super) fn draw(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let roster = app.view.roster();
    let room = usize::from(area.height.saturating_sub(2)).max(1);
    let selected = roster
        .iter()
        .position(|member| Some(member.member_id) == app.selected)
        .unwrap_or(0);
    // The selected member stays on the screen.
    let skip = (selected + 1).saturating_sub(room);
    let lines: Vec<Line<'_>> = roster
        .iter()
        .skip(skip)
        .take(room)
        .map(|member| row(app, member))
        .collect();
    let title = format!(" members {} ", roster.len());
    frame.render_widget(Paragraph::new(lines).block(panel(&title)), area);
}

fn row<'a>(app: &'a App, member: &'a Member) -> Line<'a> {
    let me = member.member_id == app.view.me;
    let dot = if member.online {
        "● ".green()
    } else {
        "○ ".dark_gray()
    };
    let mut spans = vec![dot, Span::from(member.nickname.as_str()).bold()];
    if me {
        spans.push(" (you)".into());
    }
    if app.view.is_presenter(member.member_id) {
        spans.push(" ▶".magenta().bold());
    }
    spans.push(format!("  {}", text::role(member.role)).dim());
    if member.points.len() > 1 {
        spans.push(format!(" ×{}", member.points.len()).dim());
    }
    spans.extend(follows(app, member));
    let selected = Some(member.member_id) == app.selected;
    Line::from(spans).style(if selected {
        Style::new().bg(Color::DarkGray)
    } else {
        Style::new()
    })
}

/// `→ Ben ⇒ Ann`: the target, and the root when it is another member.
fn follows(app: &App, member: &Member) -> Vec<Span<'static>> {
    let Some(edge) = member.follow else {
        return Vec::new();
    };
    let mut spans = vec![format!("  → {}", app.view.nickname(edge.target)).cyan()];
    if edge.suspended {
        spans.push(" ‖ paused".yellow());
    } else if edge.root != 0 && edge.root != edge.target {
        spans.push(format!(" ⇒ {}", app.view.nickname(edge.root)).cyan().dim());
    }
    spans
}

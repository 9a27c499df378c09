//! The presenter, and the shown member's position as a small map of the page.

use super::panel;
use crate::app::{App, POINTER};
use crate::text;
use faceshare_api::v1::{Pointer, View, action, follow_me};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize as _;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

/// At zoom 1 a screen shows the whole width of a page and this part of its height.
const SCREEN_HEIGHT: f64 = 0.5;

pub(super) fn draw(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let block = panel(" presenter ");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [words, map] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(map_width(inside.height)),
    ])
    .areas(inside);
    let shown = app.view.root(app.view.me).unwrap_or(app.view.me);
    frame.render_widget(
        Paragraph::new(lines(app, shown)).wrap(Wrap { trim: true }),
        words,
    );
    if let Some(place) = app.position_of(shown) {
        frame.render_widget(
            Paragraph::new(page_map(&place, pointer(app, shown), map)).cyan(),
            map,
        );
    }
}

/// Cells are about twice as high as wide, and paper about 1.4 times as high as wide.
fn map_width(height: u16) -> u16 {
    height.saturating_mul(3) / 2
}

fn lines(app: &App, shown: u64) -> Vec<Line<'static>> {
    let view = &app.view;
    let mut lines = match view.presenting {
        Some(presenting) => {
            let lock = if presenting.lock == follow_me::Lock::Hard as i32 {
                ", locked"
            } else {
                ""
            };
            vec![
                Line::from(format!("▶ {}", view.nickname(presenting.member_id)))
                    .magenta()
                    .bold(),
                Line::from(format!("{}{lock}", text::invite(presenting.invite))).dim(),
            ]
        }
        None => vec![Line::from("no one presents").dim()],
    };
    lines.push(Line::default());
    let whose = if shown == view.me {
        "you are".to_owned()
    } else {
        format!("{} is", view.nickname(shown))
    };
    lines.push(match app.position_of(shown) {
        Some(place) => Line::from(format!("{whose} at {}", text::position(&place))),
        None => Line::from(format!("{whose} nowhere yet")).dim(),
    });
    let asked = view.presenting.filter(|p| {
        p.member_id != view.me
            && p.invite == follow_me::Invite::Ask as i32
            && view.edge(view.me).is_none()
    });
    if let Some(presenting) = asked.filter(|_| !app.read_only) {
        lines.push(Line::default());
        lines.push(
            Line::from(format!("f: follow {}", view.nickname(presenting.member_id)))
                .yellow()
                .bold(),
        );
    }
    lines
}

fn pointer(app: &App, shown: u64) -> Option<Pointer> {
    match app.view.action(shown, POINTER)?.value {
        Some(action::Value::Pointer(pointer)) => Some(pointer),
        _ => None,
    }
}

/// The page as cells: `░` paper, `█` the part on the screen, `✛` the pointer.
fn page_map(place: &View, pointer: Option<Pointer>, area: Rect) -> Vec<Line<'static>> {
    let (width, height) = (f64::from(area.width), f64::from(area.height));
    let zoom = if place.zoom > 0.0 { place.zoom } else { 1.0 };
    let (right, bottom) = (place.x + 1.0 / zoom, place.y + SCREEN_HEIGHT / zoom);
    let within = |value: f64, from: f64, to: f64| value >= from && value < to;
    let cell = |column: u16, row: u16| {
        let (x, y) = (
            (f64::from(column) + 0.5) / width,
            (f64::from(row) + 0.5) / height,
        );
        let points = |at: f64, cells: f64, index: u16| {
            within(
                (at * cells).min(cells - 1.0),
                f64::from(index),
                f64::from(index) + 1.0,
            )
        };
        match pointer {
            Some(p) if points(p.x, width, column) && points(p.y, height, row) => '✛',
            _ if within(x, place.x, right) && within(y, place.y, bottom) => '█',
            _ => '░',
        }
    };
    (0..area.height)
        .map(|row| {
            Line::from(
                (0..area.width)
                    .map(|column| cell(column, row))
                    .collect::<String>(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::page_map;
    use faceshare_api::v1::{Pointer, View};
    use ratatui::layout::Rect;

    fn drawn(place: View, pointer: Option<Pointer>) -> Vec<String> {
        page_map(&place, pointer, Rect::new(0, 0, 4, 4))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_map_shows_what_is_on_the_screen_and_the_pointer() {
        assert_eq!(
            drawn(View::default(), None),
            ["████", "████", "░░░░", "░░░░"]
        );
        let zoomed = View {
            x: 0.5,
            y: 0.5,
            zoom: 2.0,
            ..View::default()
        };
        assert_eq!(
            drawn(zoomed, Some(Pointer { x: 1.0, y: 0.0 })),
            ["░░░✛", "░░░░", "░░██", "░░░░"]
        );
    }
}

//! The screen in several states of the session.

use super::draw;
use crate::app::tests::{presents, session, shows};
use crate::app::{App, ConnectionState};
use crate::intent::Intent;
use entrance_client::api::NumberCode;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{Edge, FollowChange, View};
use faceshare_api::wellknown::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::Duration;

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, app, 0)).expect("draws");
    terminal.backend().to_string()
}

fn shows_all(screen: &str, wanted: &[&str]) {
    for text in wanted {
        assert!(screen.contains(text), "no {text:?} in\n{screen}");
    }
}

#[test]
fn before_the_welcome_it_says_that_it_connects() {
    let code = NumberCode {
        code: "482913".into(),
        expires_at: Timestamp::from_millis(599_000),
    };
    shows_all(
        &screen(&App::new(Some(code), false), 100, 30),
        &[
            "482 913",
            "9:59 left",
            "connecting",
            "no one presents",
            "members 0",
        ],
    );
}

#[test]
fn a_running_session_shows_who_follows_whom_and_where_the_presenter_is() {
    let mut ben = session(2, false);
    presents(&mut ben, 1, &[2]);
    let chain = Edge {
        member_id: 3,
        target: 2,
        root: 1,
        suspended: false,
        reason: 3,
    };
    let presenting = ben.view.presenting;
    crate::app::tests::frame(
        &mut ben,
        3,
        Instruction::FollowChange(FollowChange {
            presenting,
            edges: vec![chain],
        }),
    );
    shows(
        &mut ben,
        1,
        View {
            page: 6,
            y: 0.5,
            ..View::default()
        },
    );
    ben.round_trip = Some(Duration::from_millis(12));
    let screen = screen(&ben, 110, 30);
    shows_all(
        &screen,
        &[
            "Tea",
            "3 here",
            "connected",
            "round trip 12 ms",
            "Ann ▶  host",
            "Ben (you)",
            "→ Ann",
            "→ Ben ⇒ Ann",
            "page 6, 50% down",
            "everybody is asked",
        ],
    );
}

#[test]
fn the_help_lists_only_the_keys_that_work() {
    let keys = |app: &App| screen(app, 110, 30);
    let (host, guest, watcher, joining) = (
        session(1, false),
        session(2, false),
        session(2, true),
        App::new(None, false),
    );
    shows_all(
        &keys(&host),
        &[
            "lock followers",
            "L lock door",
            "r new code",
            "x remove",
            "E end",
            "p present",
        ],
    );
    for app in [&guest, &watcher, &joining] {
        let screen = keys(app);
        for not_theirs in [
            "lock followers",
            "L lock door",
            "r new code",
            "x remove",
            "E end",
        ] {
            assert!(!screen.contains(not_theirs), "{not_theirs:?} in\n{screen}");
        }
    }
    shows_all(&keys(&guest), &["p present", "f follow", "q leave"]);
}

#[test]
fn a_pause_a_lost_connection_and_a_question_show() {
    let mut ben = session(2, false);
    let paused = Edge {
        member_id: 2,
        target: 1,
        root: 0,
        suspended: true,
        reason: 2,
    };
    crate::app::tests::frame(
        &mut ben,
        2,
        Instruction::FollowChange(FollowChange {
            presenting: None,
            edges: vec![paused],
        }),
    );
    ben.link = ConnectionState::Reconnecting {
        attempt: 3,
        delay: Duration::ZERO,
    };
    shows_all(
        &screen(&ben, 100, 30),
        &["‖ paused", "reconnecting, attempt 3"],
    );
    let mut ann = session(1, false);
    ann.on_intent(Intent::End);
    shows_all(&screen(&ann, 100, 30), &["End the session for everybody?"]);
}

#[test]
fn no_size_of_terminal_is_too_small() {
    let mut ben = session(2, true);
    presents(&mut ben, 1, &[2]);
    ben.on_intent(Intent::End);
    for (width, height) in [(1, 1), (10, 3), (20, 8), (40, 12), (300, 100)] {
        screen(&ben, width, height);
    }
}

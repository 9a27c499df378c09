//! The state of the terminal after a panic. The black-box tests cover the end by a signal.

use super::FullScreen;
use faceshare_tests::pty::Pty;
use std::process::Command;

/// Set for the child process of this test, which runs in a terminal and panics there.
const IN_TERMINAL: &str = "FACESHARECTL_TEST_IN_TERMINAL";

#[tokio::test]
async fn a_panic_restores_the_terminal_and_shows_its_message() {
    if std::env::var_os(IN_TERMINAL).is_some() {
        let mut screen = FullScreen::enter().expect("a terminal");
        screen.terminal.hide_cursor().expect("hidden");
        panic!("a planted panic");
    }
    let pty = Pty::open();
    let before = pty.modes();
    let name = "tui::tests::a_panic_restores_the_terminal_and_shows_its_message";
    let mut program = Command::new(std::env::current_exe().expect("a path"));
    program
        .args(["--exact", name, "--nocapture"])
        .env(IN_TERMINAL, "1");
    program
        .stdin(pty.stdio())
        .stdout(pty.stdio())
        .stderr(pty.stdio());
    let ended = tokio::task::spawn_blocking(move || program.status())
        .await
        .expect("it is waited for")
        .expect("it ran");
    assert!(!ended.success());
    pty.until("the full screen", |output| output.contains("\x1b[?1049h"))
        .await;
    pty.is_as_before(before).await;
    let after = |output: &str| {
        output
            .rsplit("\x1b[?1049l")
            .next()
            .is_some_and(|rest| rest.contains("a planted panic"))
    };
    pty.until("the message, on the normal screen", after).await;
}

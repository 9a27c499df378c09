//! The terminal client, as somebody would use it: two terminals meet.

use faceshare_tests::server::Server;
use faceshare_tests::terminal::Terminal;

/// The first 6 to 12 digits that stand by themselves in a line, spaces and hyphens between them ignored.
fn code_in(line: &str) -> Option<String> {
    let joined: String = line.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = |c: char| !c.is_ascii_digit();
    joined.split(digits).find(|part| (6..=12).contains(&part.len())).map(str::to_owned)
}

#[tokio::test]
async fn two_terminals_meet_by_the_code_one_presents_the_other_follows() {
    let server = Server::start().await;
    let mut host = Terminal::open(&server, &["create", "--plain", "--nickname", "Ann", "--title", "Draft"]);
    let line = host.log.text("number code").await;
    let code = code_in(&line).unwrap_or_else(|| panic!("no code in {line:?}"));
    let mut guest = Terminal::open(&server, &["join", &code, "--plain", "--nickname", "Ben"]);
    host.log.text("Ben joined").await;
    guest.log.text("Ann [").await;
    host.say("present").await;
    guest.log.text("Ann presents").await;
    guest.say("follow Ann").await;
    host.log.text("Ben follows Ann").await;
    host.say("page 4").await;
    guest.log.text("Ann is at page 4").await;
    guest.say("quit").await;
    assert!(guest.end().await, "{}", guest.log.tail());
    host.log.text("Ben left").await;
    host.say("quit").await;
    assert!(host.end().await, "{}", host.log.tail());
}

#[tokio::test]
async fn a_code_that_opens_nothing_is_said_and_fails() {
    let server = Server::start().await;
    let mut guest = Terminal::open(&server, &["join", "719428", "--plain", "--nickname", "Ben"]);
    assert!(!guest.end().await);
    guest.log.text("expired").await;
}

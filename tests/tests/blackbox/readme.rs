//! Runs the commands of the README.

use std::path::Path;

use faceshare_tests::programs::{program, workspace};
use faceshare_tests::server::{Log, Server};
use faceshare_tests::terminal::Terminal;
use tokio::process::{Child, Command};

use crate::ctl::code_in;

/// The code that the README uses for the one on Ann's screen, as it is read aloud and as it is
/// typed.
const CODE: (&str, &str) = ("739 274", "739274");

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let fence = format!("\n```{language}\n");
    let blocks = readme.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// The only block of this language that holds `text`.
fn block(language: &str, text: &str) -> String {
    let found: Vec<_> = blocks(language)
        .into_iter()
        .filter(|block| block.contains(text))
        .collect();
    let [block] = found
        .try_into()
        .unwrap_or_else(|found: Vec<_>| panic!("{} blocks with {text:?}", found.len()));
    block
}

fn replaced(block: &str, from: &str, to: &str) -> String {
    assert!(block.contains(from), "no {from:?} in:\n{block}");
    block.replace(from, to)
}

/// Runs a block in bash against this server; gives its standard output and error.
async fn bash(block: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{block}\n{said}");
    said
}

/// The arguments of a line that begins with the terminal client.
fn arguments(line: &str) -> Vec<String> {
    let rest = line
        .trim()
        .strip_prefix("./target/debug/facesharectl ")
        .unwrap_or_else(|| panic!("another program: {line}"));
    let (plain, title) = rest.split_once(" --title ").unwrap_or((rest, ""));
    let title = title.trim_matches('"');
    let title = (!title.is_empty()).then(|| ["--title".to_owned(), title.to_owned()]);
    plain
        .split_whitespace()
        .map(str::to_owned)
        .chain(title.into_iter().flatten())
        .collect()
}

fn typed(server: &Server, line: &str) -> Terminal {
    let arguments = arguments(line);
    Terminal::open(
        server,
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// Ann's session of the tour, and its code.
async fn tour(server: &Server) -> (Terminal, String) {
    let ann = typed(server, &block("sh", "facesharectl create"));
    let code = code_in(&ann.log.text("number code").await).expect("a code");
    ann.log.text("Plans for May").await;
    (ann, code)
}

#[tokio::test]
async fn the_two_people_of_the_tour_meet() {
    let server = Server::start().await;
    let (mut ann, code) = tour(&server).await;
    let mut ben = typed(
        &server,
        &replaced(&block("sh", "facesharectl join"), CODE.0, &code),
    );
    ann.log.text("Ben joined").await;
    ann.say("end").await;
    assert!(
        ann.end().await && ben.end().await,
        "{}\n{}",
        ann.log.tail(),
        ben.log.tail()
    );
}

#[tokio::test]
async fn the_calls_of_the_tour_lead_into_the_session() {
    let server = Server::start().await;
    let (_ann, code) = tour(&server).await;
    let calls = replaced(
        &block("bash", "face-sessions/prejoin"),
        &format!("CODE={}", CODE.1),
        &format!("CODE={code}"),
    );
    let calls = replaced(
        &calls,
        "BASE=http://127.0.0.1:8080",
        &format!("BASE={}", server.url()),
    );
    // The values that the next block of the tour uses. The test does not run wscat, which would
    // have to be downloaded.
    let connect = block("bash", "wscat");
    let token = connect
        .split("$(")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .expect("a token")
        .to_owned();
    let said = bash(&format!("{calls}\necho \"token $({token})\"")).await;
    assert!(
        said.contains("\"hostNickname\":\"Ann\"") && said.contains("Plans for May"),
        "{said}"
    );
    let after = |text: &str| {
        said.split(text)
            .nth(1)
            .unwrap_or_default()
            .split([',', '\n'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        after("Ann's id is ").parse::<u64>().is_ok_and(|id| id > 0),
        "{said}"
    );
    assert!(
        after("the stream is ").starts_with("ws://127.0.0.1:"),
        "{said}"
    );
    assert!(after("token v4.local.").len() > 20, "{said}");
}

#[test]
fn the_program_in_the_readme_is_the_example_that_is_compiled_and_run() {
    let example = read("pkg/entrance/client/examples/follow.rs");
    let (_lines_for_us, program) = example.split_once("\n\n").expect("a program");
    let shown = block("rust", "#[tokio::main]");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(
            workspace().join("README.md"),
            read("README.md").replace(&shown, program),
        )
        .expect("written");
    } else {
        assert_eq!(
            shown, program,
            "run this test with UPDATE_README=1 to put the example into the README"
        );
    }
    let manifest = block("toml", "[dependencies]");
    for dependency in [
        "entrance-client = { path = \"../faceshare/pkg/entrance/client\" }",
        "tokio = {",
    ] {
        assert!(manifest.contains(dependency), "{manifest}");
    }
    assert!(workspace().join("pkg/entrance/client/Cargo.toml").exists());
    let used: Vec<_> = program
        .lines()
        .filter_map(|line| line.strip_prefix("use "))
        .collect();
    assert!(
        used.iter()
            .all(|path| path.starts_with("entrance_client::") || path.starts_with("std::")),
        "{used:?}"
    );
}

fn example(server: &Server, code: &str) -> (Child, Log) {
    let mut child = Command::new(program("examples/follow"))
        .args([code, &server.url()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example starts");
    let log = Log::of(&mut child);
    (child, log)
}

#[tokio::test]
async fn the_program_in_the_readme_follows_the_host() {
    let server = Server::start().await;
    let (mut ann, code) = tour(&server).await;
    let (mut follower, log) = example(&server, &code);
    ann.log.text("Ben follows Ann").await;
    ann.say("present").await;
    ann.say("page 4").await;
    log.text("page: 4").await;
    ann.say("end").await;
    log.text("closed: ").await;
    assert!(
        follower
            .wait()
            .await
            .expect("it can be waited for")
            .success(),
        "{}",
        log.tail()
    );
}

/// The targets of the links in a page, without those that lead out of the repository.
fn links(page: &str) -> Vec<String> {
    let text = read(page);
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

/// The anchor as repository browsers derive it: lower case, hyphens for spaces, without
/// punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_')
        .collect()
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    text.lines()
        .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == wanted)
}

fn documents() -> Vec<String> {
    let docs = std::fs::read_dir(workspace().join("docs"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name());
    let mut pages: Vec<String> = docs
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let pages = ["README.md".to_owned(), "ARCHITECTURE.md".to_owned()].into_iter();
    let pages = pages.chain(documents().into_iter().map(|name| format!("docs/{name}")));
    let mut broken = Vec::new();
    for page in pages {
        let at = workspace().join(&page);
        for link in links(&page) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                at.clone()
            } else {
                at.parent().expect("a folder").join(path)
            };
            if !target.exists() || !heading.is_empty() && !has_heading(&target, heading) {
                broken.push(format!("{page} → {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_index_names_every_document() {
    let listed = links("docs/README.md");
    let missing: Vec<_> = documents()
        .into_iter()
        .filter(|name| name != "README.md" && !listed.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
}

//! The server accepts the settings of the container image and of docs/deployment.md.

use std::process::{Command, Output};

use faceshare_tests::programs::{program, workspace};
use tempfile::TempDir;

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The effective configuration with these settings, in an empty folder.
fn check_config(file: &str, variables: &[(String, String)]) -> Output {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("app.toml");
    std::fs::write(&config, file).expect("written");
    let mut command = Command::new(program("faceshareapp"));
    command
        .arg("check-config")
        .arg("--config")
        .arg(&config)
        .current_dir(folder.path());
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("it runs")
}

/// The settings in a text, as `FACESHARE__SECTION__KEY=value`.
fn variables(text: &str) -> Vec<(String, String)> {
    let words = text
        .split_whitespace()
        .filter(|word| word.starts_with("FACESHARE__"));
    words
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn accepted(file: &str, variables: &[(String, String)]) -> String {
    let output = check_config(file, variables);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_settings_of_the_image_are_accepted_and_reach_beyond_the_container() {
    let image = variables(&read("Dockerfile"));
    let said = accepted("", &image);
    for setting in [
        "listen = \"0.0.0.0:8080\"",
        "ops_listen = \"0.0.0.0:9100\"",
        "data_dir = \"/data\"",
    ] {
        assert!(said.contains(setting), "no {setting} in\n{said}");
    }
}

#[test]
fn the_settings_on_the_page_on_deployment_are_accepted() {
    let page = read("docs/deployment.md");
    let blocks: Vec<&str> = page
        .split("\n```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        accepted(block, &[]);
    }
    let used = variables(&page.replace('`', " "));
    assert!(
        used.iter()
            .any(|(name, _)| name == "FACESHARE__HTTP__TRUSTED_PROXIES"),
        "{used:?}"
    );
    for setting in used {
        accepted("", &[setting]);
    }
}

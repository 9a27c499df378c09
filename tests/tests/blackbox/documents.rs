//! Compares the tables of `docs/` with the `.proto` file and the OpenAPI document: no entry is
//! missing and none is extra.

use faceshare_tests::programs::workspace;
use prost::Message;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use serde_json::Value;
use std::collections::BTreeSet;

/// The tags of `ServerFrame` that ordered instructions have.
const ORDERED: std::ops::RangeInclusive<i32> = 30..=59;

fn message(name: &str) -> DescriptorProto {
    let set = FileDescriptorSet::decode(faceshare_api::DESCRIPTORS).expect("descriptors");
    let messages = set.file.into_iter().flat_map(|file| file.message_type);
    messages
        .into_iter()
        .find(|message| message.name() == name)
        .unwrap_or_else(|| panic!("no message {name}"))
}

fn instructions(frame: &str) -> Vec<FieldDescriptorProto> {
    message(frame)
        .field
        .into_iter()
        .filter(|field| field.oneof_index.is_some())
        .collect()
}

fn section(heading: &str) -> String {
    let page = std::fs::read_to_string(workspace().join("docs/instructions.md")).expect("the page");
    let rest = page
        .split(&format!("## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"))
        .to_owned();
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The backticked entries of a table's first column: the instruction's name, and the fields it
/// names.
fn rows(heading: &str) -> Vec<(String, Vec<String>)> {
    let section = section(heading).replace("\\|", ",");
    let first = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1))
        .collect::<Vec<_>>();
    let entries = first
        .iter()
        .flat_map(|cell| cell.split('`').skip(1).step_by(2));
    entries
        .map(|entry| {
            let (name, fields) = entry.split_once(' ').unwrap_or((entry, ""));
            let fields = fields
                .trim_matches(['{', '}'])
                .split(',')
                .map(|field| field.trim().to_owned());
            (
                name.to_owned(),
                fields.filter(|field| !field.is_empty()).collect(),
            )
        })
        .collect()
}

fn names(heading: &str) -> BTreeSet<String> {
    rows(heading).into_iter().map(|(name, _)| name).collect()
}

fn json_names(fields: &[FieldDescriptorProto]) -> BTreeSet<String> {
    fields
        .iter()
        .map(|field| field.json_name().to_owned())
        .collect()
}

#[test]
fn the_table_has_every_instruction_where_it_belongs() {
    assert_eq!(
        names("From clients"),
        json_names(&instructions("ClientFrame"))
    );
    let (ordered, other): (Vec<_>, Vec<_>) = instructions("ServerFrame")
        .into_iter()
        .partition(|field| ORDERED.contains(&field.number()));
    assert_eq!(names("From the server, ordered"), json_names(&ordered));
    assert_eq!(names("From the server, to some"), json_names(&other));
}

#[test]
fn the_fields_that_the_table_names_are_those_of_the_message() {
    for (frame, headings) in [
        ("ClientFrame", &["From clients"][..]),
        (
            "ServerFrame",
            &["From the server, ordered", "From the server, to some"][..],
        ),
    ] {
        let instructions = instructions(frame);
        for (name, fields) in headings.iter().flat_map(|heading| rows(heading)) {
            let field = instructions
                .iter()
                .find(|field| field.json_name() == name)
                .expect("listed");
            let message = message(field.type_name().rsplit('.').next().unwrap_or_default());
            let known = json_names(&message.field);
            assert!(
                fields.iter().all(|field| known.contains(field)),
                "{name} {fields:?}, and the message has {known:?}"
            );
        }
    }
}

#[test]
fn the_table_of_http_calls_is_that_of_the_openapi_document() {
    let read = |path| std::fs::read_to_string(workspace().join(path)).expect("the file");
    let document: Value = serde_json::from_str(&read("api/openapi.json")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let calls = |(path, item): (&String, &Value)| {
        let methods: Vec<_> = item
            .as_object()
            .expect("operations")
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        methods
            .into_iter()
            .map(|method| format!("{method} {path}"))
            .collect::<Vec<_>>()
    };
    let documented: BTreeSet<String> = paths.iter().flat_map(calls).collect();
    let page = read("docs/http.md");
    let listed = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(
        listed.map(str::to_owned).collect::<BTreeSet<_>>(),
        documented
    );
}

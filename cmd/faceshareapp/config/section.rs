//! Reading keys. Each key is declared once, where it is read: its name, its default and what is
//! allowed.
//!
//! The set of known keys, the defaults, the output of `check-config` and every error message follow
//! from these declarations. A wrong value is recorded as a problem and replaced by its default, so
//! that reading goes on and finds the other mistakes.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use config::{Map, Value, ValueKind};
use secrecy::SecretString;

use super::{
    duration,
    problem::Problems,
    report::{KeyReport, quoted},
    source::is_from_environment,
};

/// One pass over the merged values.
pub(super) struct Reader<'v> {
    values: &'v Map<String, Value>,
    keys: Vec<KeyReport>,
    problems: Problems,
}

impl<'v> Reader<'v> {
    pub(super) fn new(values: &'v Map<String, Value>) -> Self {
        Self {
            values,
            keys: Vec::new(),
            problems: Problems::default(),
        }
    }

    /// The section called `name`. The empty name stands for the keys outside of all sections.
    pub(super) fn section<'r>(&'r mut self, name: &'static str) -> Section<'r, 'v> {
        Section { reader: self, name }
    }

    /// A report of each key that was read, and all problems.
    pub(super) fn finish(self) -> (Vec<KeyReport>, Problems) {
        (self.keys, self.problems)
    }
}

/// Reads the keys of one section.
pub(super) struct Section<'r, 'v> {
    reader: &'r mut Reader<'v>,
    name: &'static str,
}

impl Section<'_, '_> {
    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let parse = |value: &Value| match &value.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if is_from_environment(value) => text
                .parse()
                .map_err(|_| format!("{text:?} is neither true nor false")),
            other => Err(format!(
                "expected true or false, found {}",
                described(other)
            )),
        };
        self.read(key, default, parse, ToString::to_string)
    }

    /// A whole number within `range`.
    pub(super) fn number<N>(&mut self, key: &'static str, default: N, range: RangeInclusive<N>) -> N
    where
        N: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let parse = |value: &Value| {
            let found = whole_number(value)?;
            let allowed = N::try_from(found)
                .ok()
                .filter(|number| range.contains(number));
            allowed.ok_or_else(|| {
                format!(
                    "{found} is out of range; allowed: {} to {}",
                    range.start(),
                    range.end()
                )
            })
        };
        self.read(key, default, parse, ToString::to_string)
    }

    /// A number with at most three decimals, in thousandths, within `range`.
    pub(super) fn thousandths(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let show = |thousandths: &u32| format!("{}", f64::from(*thousandths) / 1_000.0);
        let parse = |value: &Value| {
            let found = match &value.kind {
                ValueKind::Float(number) => Some(*number),
                ValueKind::String(text) if is_from_environment(value) => text.parse().ok(),
                _ => whole_number(value)?.to_string().parse().ok(),
            };
            let rounded = found
                .map(|number| (number * 1_000.0).round())
                .filter(|n| *n >= 0.0 && *n <= f64::from(u32::MAX));
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole and was just checked to be within the range"
            )]
            let allowed = rounded.map(|n| n as u32).filter(|n| range.contains(n));
            allowed.ok_or_else(|| {
                format!(
                    "is out of range; allowed: {} to {}",
                    show(range.start()),
                    show(range.end())
                )
            })
        };
        self.read(key, default, parse, show)
    }

    /// A duration within `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let parse = |value: &Value| {
            let text = string(value, duration::EXAMPLES)?;
            let found = duration::parse(text).ok_or_else(|| {
                format!(
                    "{text:?} is not a duration; expected {}",
                    duration::EXAMPLES
                )
            })?;
            if range.contains(&found) {
                return Ok(found);
            }
            let (from, to) = (
                duration::format(*range.start()),
                duration::format(*range.end()),
            );
            Err(format!("{text:?} is out of range; allowed: {from} to {to}"))
        };
        self.read(key, default, parse, |found| {
            quoted(&duration::format(*found))
        })
    }

    /// One of the words in `choices`.
    pub(super) fn choice<C: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: C,
        choices: &[(&'static str, C)],
    ) -> C {
        let words = || {
            choices
                .iter()
                .map(|(word, _)| quoted(word))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let parse = |value: &Value| {
            let text = string(value, &words())?;
            let chosen = choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, choice)| *choice);
            chosen.ok_or_else(|| format!("{text:?} is not a choice; allowed: {}", words()))
        };
        let show = |chosen: &C| {
            choices
                .iter()
                .find(|(_, choice)| choice == chosen)
                .map_or_else(String::new, |(word, _)| quoted(word))
        };
        self.read(key, default, parse, show)
    }

    /// A string. `parse` turns it into a value, `show` turns a value back into a string.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> T {
        self.read(
            key,
            default,
            |value| parse(string(value, "a string")?),
            |found| quoted(&show(found)),
        )
    }

    /// A list of strings, empty by default. In an environment variable they are separated by
    /// commas.
    pub(super) fn list<T: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let parse = |value: &Value| strings(value)?.into_iter().map(&parse).collect();
        let show = |items: &Vec<T>| listed(items.iter().map(ToString::to_string));
        self.read(key, Vec::new(), parse, show)
    }

    /// A list of secrets of the form `name:secret`. Only the names are shown, in errors too.
    pub(super) fn secrets(&mut self, key: &'static str) -> Vec<SecretString> {
        let parse = |value: &Value| {
            strings(value)
                .map_err(|_| r#"expected an array of strings such as ["name:secret"]"#.to_owned())
                .map(|items| items.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let show = |items: &Vec<String>| {
            let name = |item: &String| {
                item.split_once(':')
                    .map_or_else(String::new, |(name, _)| format!("{name}:"))
            };
            listed(items.iter().map(|item| format!("{}********", name(item))))
        };
        let items = self.read(key, Vec::new(), parse, show);
        items.into_iter().map(SecretString::from).collect()
    }

    /// Records that `key` is wrong for a reason that depends on other keys.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = self.path(key);
        self.reader.problems.push(path, message);
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        if self.name.is_empty() {
            return self.reader.values.get(key);
        }
        match &self.reader.values.get(self.name)?.kind {
            ValueKind::Table(section) => section.get(key),
            _ => None,
        }
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Value) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let path = self.path(key);
        let by_default = show(&default);
        let (value, origin) = match self.value(key) {
            None => (default, None),
            Some(raw) => {
                let origin = raw.origin().unwrap_or("unknown origin").to_owned();
                match parse(raw) {
                    Ok(value) => (value, Some(origin)),
                    Err(message) => {
                        self.reader
                            .problems
                            .push(&path, format!("{message} ({origin})"));
                        (default, None)
                    }
                }
            }
        };
        self.reader.keys.push(KeyReport {
            path,
            shown: show(&value),
            by_default,
            origin,
        });
        value
    }
}

fn string<'v>(value: &'v Value, expected: &str) -> Result<&'v str, String> {
    match &value.kind {
        ValueKind::String(text) => Ok(text),
        other => Err(format!("expected {expected}, found {}", described(other))),
    }
}

fn strings(value: &Value) -> Result<Vec<&str>, String> {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(|item| string(item, "strings")).collect(),
        ValueKind::String(text) if is_from_environment(value) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect()),
        other => Err(format!(
            "expected an array of strings, found {}",
            described(other)
        )),
    }
}

fn whole_number(value: &Value) -> Result<i128, String> {
    match &value.kind {
        ValueKind::I64(number) => Ok((*number).into()),
        ValueKind::U64(number) => Ok((*number).into()),
        ValueKind::I128(number) => Ok(*number),
        ValueKind::String(text) if is_from_environment(value) => text
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is not a whole number")),
        other => Err(format!(
            "expected a whole number, found {}",
            described(other)
        )),
    }
}

fn described(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(flag) => format!("{flag}"),
        ValueKind::Float(number) => format!("the number {number}"),
        ValueKind::String(text) => format!("the string {text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "an array".to_owned(),
        ValueKind::I64(number) => format!("the number {number}"),
        ValueKind::U64(number) => format!("the number {number}"),
        ValueKind::I128(number) => format!("the number {number}"),
        ValueKind::U128(number) => format!("the number {number}"),
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| quoted(&item)).collect();
    format!("[{}]", items.join(", "))
}

//! The effective configuration as `check-config` prints it: TOML that, apart from the masked
//! secrets, can be read back.

use std::fmt::{self, Write};

/// One key as it was read.
#[derive(Debug, Clone)]
pub(super) struct KeyReport {
    /// `section.key`, or `key` alone.
    pub(super) path: String,
    /// The value in force, as TOML, secrets masked.
    pub(super) shown: String,
    /// The default, as TOML.
    pub(super) by_default: String,
    /// The file or variable that set it; `None` for a default.
    pub(super) origin: Option<String>,
}

/// Every key in the order in which the sections declare them.
#[derive(Debug, Clone)]
pub(crate) struct Report(pub(super) Vec<KeyReport>);

impl Report {
    /// The keys whose shown values differ from those of `other`. A change of a masked part is not
    /// seen.
    pub(crate) fn changed_from(&self, other: &Self) -> Vec<&str> {
        let differs = |key: &&KeyReport| {
            !other
                .0
                .iter()
                .any(|old| old.path == key.path && old.shown == key.shown)
        };
        self.0
            .iter()
            .filter(differs)
            .map(|key| key.path.as_str())
            .collect()
    }
}

impl fmt::Display for Report {
    /// One `key = value` a line under its section. A value that is not the default names its
    /// origin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut current = "";
        for report in &self.0 {
            let (section, key) = report.path.split_once('.').unwrap_or(("", &report.path));
            if section != current {
                write!(f, "\n[{section}]\n")?;
                current = section;
            }
            write!(f, "{key} = {}", report.shown)?;
            match &report.origin {
                Some(origin) if report.shown != report.by_default => {
                    writeln!(f, " # {}", origin.replace('\n', " "))?
                }
                _ => f.write_char('\n')?,
            }
        }
        Ok(())
    }
}

/// `text` as a TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_escapes_what_toml_reserves() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000A""#);
        assert_eq!(quoted("größe"), "\"größe\"");
    }
}

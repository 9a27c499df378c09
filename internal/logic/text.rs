//! Checks of request fields. All violations of a request are reported together.

use faceshare_biz::domain::account::Password;
use faceshare_biz::domain::instruction::Device;
use faceshare_biz::domain::{Nickname, TextError, Title, clean_text};
use faceshare_biz::{Error, Result, Violation, constants};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// Normalises to NFC, so that texts that look the same are equal.
fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// A password in the form that is hashed: NFC, because keyboards compose letters differently.
pub(crate) fn password(text: &str) -> Password {
    Password::new(nfc(text))
}

/// Collects the violations of one request.
///
/// A check of a bad field returns `None`, or a harmless value; [`FieldChecks::finish`] reports the
/// violations.
#[derive(Debug, Default)]
pub(crate) struct FieldChecks {
    violations: Vec<Violation>,
}

impl FieldChecks {
    /// Adds a violation.
    pub(crate) fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.violations.push(Violation {
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// The checked value, or `None` and a violation.
    fn text<T>(&mut self, path: &str, checked: Result<T, TextError>) -> Option<T> {
        checked.map_err(|e| self.refuse(path, e.to_string())).ok()
    }

    /// A nickname of 1 to `max` characters.
    pub(crate) fn nickname(&mut self, path: &str, text: &str, max: usize) -> Option<Nickname> {
        self.text(path, Nickname::new(&nfc(text), max))
    }

    /// A username: letters of either case, digits and `_ . -`.
    pub(crate) fn username(&mut self, path: &str, text: &str, length: &RangeInclusive<usize>) {
        self.characters(path, text, length);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(other) = text.chars().find(|c| !is_allowed(*c)) {
            self.refuse(
                path,
                format!(
                    "holds the character U+{:04X}; allowed are a-z, 0-9, _, . and -",
                    u32::from(other)
                ),
            );
        }
    }

    /// A new password, of any characters.
    pub(crate) fn new_password(
        &mut self,
        path: &str,
        text: &str,
        length: &RangeInclusive<usize>,
    ) -> Password {
        let password = password(text);
        self.characters(path, password.expose(), length);
        password
    }

    fn characters(&mut self, path: &str, text: &str, length: &RangeInclusive<usize>) {
        let found = text.chars().count();
        if !length.contains(&found) {
            self.refuse(
                path,
                format!(
                    "has {found} characters; allowed are {} to {}",
                    length.start(),
                    length.end()
                ),
            );
        }
    }

    /// A title of at most `max` characters.
    pub(crate) fn title(&mut self, path: &str, text: &str, max: usize) -> Option<Title> {
        self.text(path, Title::new(&nfc(text), max))
    }

    /// A device's name and kind of at most [`constants::DEVICE_TEXT_MAX`] characters each; a
    /// missing part is empty.
    pub(crate) fn device(&mut self, path: &str, name: Option<&str>, kind: Option<&str>) -> Device {
        let mut part = |field: &str, text: Option<&str>| -> Box<str> {
            let text = nfc(text.unwrap_or_default());
            let clean = clean_text(&text, 0, constants::DEVICE_TEXT_MAX);
            self.text(&format!("{path}.{field}"), clean)
                .unwrap_or_default()
                .into()
        };
        Device {
            name: part("name", name),
            kind: part("kind", kind),
        }
    }

    /// A number within a range.
    pub(crate) fn number<T: PartialOrd + Display>(
        &mut self,
        path: &str,
        value: T,
        allowed: &RangeInclusive<T>,
    ) {
        if !allowed.contains(&value) {
            self.refuse(
                path,
                format!(
                    "is {value}; allowed are {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            );
        }
    }

    /// A duration within a range.
    pub(crate) fn duration(
        &mut self,
        path: &str,
        value: Duration,
        allowed: &RangeInclusive<Duration>,
    ) {
        if !allowed.contains(&value) {
            let (min, max) = (allowed.start().as_secs(), allowed.end().as_secs());
            self.refuse(
                path,
                format!("is {}s; allowed are {min}s to {max}s", value.as_secs_f64()),
            );
        }
    }

    /// # Errors
    /// `INVALID_ARGUMENT` with all collected violations.
    pub(crate) fn finish(self) -> Result<()> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid_fields(self.violations))
        }
    }
}

/// The value of a field whose check has passed.
///
/// # Errors
/// `INTERNAL` when it has not passed: the caller must call [`FieldChecks::finish`] first.
pub(crate) fn checked<T>(field: Option<T>) -> Result<T> {
    field.ok_or_else(|| Error::internal("a field was used although its check had failed"))
}

#[cfg(test)]
mod tests {
    use super::FieldChecks;
    use std::time::Duration;

    #[test]
    fn text_is_composed_before_it_is_counted() {
        let mut checks = FieldChecks::default();
        let nickname = checks.nickname("nickname", "A\u{308}nne", 4);
        assert_eq!(nickname.map(|n| n.to_string()), Some("Änne".to_owned()));
        assert!(checks.finish().is_ok());
    }

    #[test]
    fn all_violations_are_reported_at_once_with_their_paths() {
        let mut checks = FieldChecks::default();
        checks.title("title", "a\u{202e}b", 100);
        checks.device("device", Some(&"x".repeat(65)), Some("pho\u{0}ne"));
        checks.number("maxMembers", 0, &(1..=500));
        checks.duration(
            "autoEndAfter",
            Duration::from_secs(1),
            &(Duration::from_secs(600)..=Duration::from_secs(86_400)),
        );
        let error = checks.finish().expect_err("five fields are wrong");
        let paths: Vec<_> = error.violations.iter().map(|v| v.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "title",
                "device.name",
                "device.kind",
                "maxMembers",
                "autoEndAfter"
            ]
        );
        assert!(error.violations[3].message.contains("1 to 500"));
    }

    #[test]
    fn a_username_is_plain_and_a_password_is_anything_of_the_right_length() {
        let paths = |username: &str, password: &str| {
            let mut checks = FieldChecks::default();
            checks.username("username", username, &(4..=32));
            checks.new_password("password", password, &(8..=128));
            checks
                .finish()
                .map_err(|e| e.violations.into_iter().map(|v| v.path).collect::<Vec<_>>())
        };
        for good in ["ann_", "A.n-N_9", &"x".repeat(32)] {
            assert_eq!(paths(good, "  \u{0}\u{202e}☎☎☎☎"), Ok(()), "{good}");
        }
        for bad in ["ann", &"x".repeat(33), "änne", "ann e", "ann\u{0}"] {
            assert_eq!(
                paths(bad, "12345678"),
                Err(vec!["username".to_owned()]),
                "{bad}"
            );
        }
        for bad in ["1234567", &"x".repeat(129), "a\u{308}234567"] {
            assert_eq!(
                paths("anne", bad),
                Err(vec!["password".to_owned()]),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_device_without_name_is_accepted() {
        let mut checks = FieldChecks::default();
        let device = checks.device("device", None, Some(" phone "));
        assert_eq!((&*device.name, &*device.kind), ("", "phone"));
        assert!(checks.finish().is_ok());
    }
}

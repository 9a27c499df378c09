//! Text that people write and others read: trimmed, bounded, and free of characters that deceive.
//!
//! Normalisation to NFC happens where text comes in (the use cases); here stands what every such text must hold to.

use serde::{Deserialize, Serialize};

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Shorter or longer than allowed, in Unicode scalar values.
    #[error("has {found} characters; allowed are {min} to {max}")]
    Length {
        /// Characters found after trimming.
        found: usize,
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// A control or bidirectional-override character.
    #[error("holds the character U+{0:04X}; control and bidirectional override characters are not allowed")]
    Forbidden(u32),
}

/// Trims `text` and checks its length (in Unicode scalar values) and characters.
///
/// # Errors
/// [`TextError`] says what is wrong and what is allowed.
pub fn clean_text(text: &str, min: usize, max: usize) -> Result<&str, TextError> {
    let text = text.trim();
    if let Some(c) = text.chars().find(|c| is_forbidden(*c)) {
        return Err(TextError::Forbidden(u32::from(c)));
    }
    let found = text.chars().take(max.saturating_add(1)).count();
    if (min..=max).contains(&found) { Ok(text) } else { Err(TextError::Length { found: text.chars().count(), min, max }) }
}

/// Control characters, and those that turn the direction of what follows them.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $min:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// A clean text of at most `max` characters.
            ///
            /// # Errors
            /// [`TextError`] says what is wrong and what is allowed.
            pub fn new(text: &str, max: usize) -> Result<Self, TextError> {
                clean_text(text, $min, max).map(|t| Self(t.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// What others call a person; never empty.
    Nickname, 1;
    /// What a session is called; may be empty.
    Title, 0;
}

#[cfg(test)]
mod tests {
    use super::{Nickname, TextError, Title};

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(Nickname::new("  Änne ☎ ", 6).map(|n| n.to_string()), Ok("Änne ☎".to_owned()));
        assert_eq!(Nickname::new("1234567", 6), Err(TextError::Length { found: 7, min: 1, max: 6 }));
        assert_eq!(Nickname::new("   ", 6), Err(TextError::Length { found: 0, min: 1, max: 6 }));
        assert!(Title::new("", 6).is_ok());
    }

    #[test]
    fn characters_that_deceive_are_refused() {
        for bad in ["a\u{202e}b", "a\nb", "a\u{0}b", "\u{2066}x\u{2069}x"] {
            assert!(matches!(Nickname::new(bad, 32), Err(TextError::Forbidden(_))), "{bad:?}");
        }
    }
}

//! Text that users write for other users: trimmed, bounded, and free of characters that deceive.
//!
//! The use cases normalise text to NFC; this module checks the rules for all such text.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
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
    #[error(
        "holds the character U+{0:04X}; control and bidirectional override characters are not allowed"
    )]
    Forbidden(u32),
    /// Characters, none of which is visible.
    #[error("has no visible character")]
    Invisible,
}

/// Trims `text` and checks its length (in Unicode scalar values) and characters. A text that is not
/// empty must have a visible character. Joiners and variation selectors are allowed besides it,
/// because emoji and many scripts need them.
///
/// # Errors
/// [`TextError`] says what is wrong and what is allowed.
pub fn clean_text(text: &str, min: usize, max: usize) -> Result<&str, TextError> {
    let text = text.trim();
    if let Some(c) = text.chars().find(|c| is_forbidden(*c)) {
        return Err(TextError::Forbidden(u32::from(c)));
    }
    if !text.is_empty() && !text.chars().any(is_visible) {
        return Err(TextError::Invisible);
    }
    let found = text.chars().take(max.saturating_add(1)).count();
    if (min..=max).contains(&found) {
        Ok(text)
    } else {
        Err(TextError::Length {
            found: text.chars().count(),
            min,
            max,
        })
    }
}

/// Control characters, line separators, and characters that change the direction of the text after
/// them.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Whether a reader sees anything. Fonts draw nothing for white space, for what Unicode calls
/// default-ignorable (joiners, selectors, fillers, tags), and for a few characters that are
/// neither.
fn is_visible(c: char) -> bool {
    /// The blank pattern of Braille, interlinear annotation, a note without a head, a filler and
    /// two blanks of old scripts.
    const BLANKS: [std::ops::RangeInclusive<char>; 5] = [
        '\u{2800}'..='\u{2800}',
        '\u{fff9}'..='\u{fffb}',
        '\u{1d159}'..='\u{1d159}',
        '\u{16fe4}'..='\u{16fe4}',
        '\u{13441}'..='\u{13442}',
    ];
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    !c.is_whitespace()
        && !c.is_control()
        && !ignorable.contains(c)
        && !BLANKS.iter().any(|blanks| blanks.contains(&c))
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

            /// A stored text, unchecked: rules that are newer than the text do not make it
            /// unreadable.
            #[must_use]
            pub fn from_stored(text: &str) -> Self {
                Self(text.into())
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
    /// The name that others see for an account or guest; never empty.
    Nickname, 1;
    /// The title of a session; may be empty.
    Title, 0;
}

#[cfg(test)]
mod tests {
    use super::{Nickname, TextError, Title, clean_text};
    use proptest::prelude::*;

    /// Characters that a reader does not see, one of each kind.
    const UNSEEN: [char; 22] = [
        '\u{ad}',
        '\u{34f}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{2060}',
        '\u{2064}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{1d159}',
        '\u{e0041}',
        '\u{e0100}',
        ' ',
        '\u{3000}',
    ];

    fn unseen() -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(&UNSEEN[..]), 0..8)
            .prop_map(String::from_iter)
    }

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(
            Nickname::new("  Änne ☎ ", 6).map(|n| n.to_string()),
            Ok("Änne ☎".to_owned())
        );
        assert_eq!(
            Nickname::new("1234567", 6),
            Err(TextError::Length {
                found: 7,
                min: 1,
                max: 6
            })
        );
        assert_eq!(
            Nickname::new("   ", 6),
            Err(TextError::Length {
                found: 0,
                min: 1,
                max: 6
            })
        );
        assert!(Title::new("", 6).is_ok());
    }

    #[test]
    fn characters_that_deceive_are_refused() {
        for bad in ["a\u{202e}b", "a\nb", "a\u{0}b", "\u{2066}x\u{2069}x"] {
            assert!(
                matches!(Nickname::new(bad, 32), Err(TextError::Forbidden(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_text_without_a_visible_character_is_refused() {
        for unseen in UNSEEN.iter().filter(|c| !c.is_whitespace()) {
            for text in [unseen.to_string(), format!(" {unseen}{unseen} ")] {
                assert_eq!(
                    Nickname::new(&text, 32),
                    Err(TextError::Invisible),
                    "{text:?}"
                );
                assert_eq!(Title::new(&text, 32), Err(TextError::Invisible), "{text:?}");
            }
        }
        assert_eq!(
            Title::new(" ", 32).map(|title| title.to_string()),
            Ok(String::new()),
            "left empty"
        );
    }

    #[test]
    fn joiners_and_selectors_beside_visible_characters_stay() {
        // A family and a heart as emoji, a Persian verb, a Hindi and a Mongolian word.
        for text in [
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "ᠨᠢ\u{180e}ᠡ",
            "a",
            "한",
            "⠁",
        ] {
            assert_eq!(
                Nickname::new(text, 32).map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_was_stored_under_older_rules_can_be_read() {
        assert_eq!(Nickname::from_stored("\u{200b}").as_str(), "\u{200b}");
    }

    proptest! {
        #[test]
        fn unseen_characters_alone_are_never_a_text_and_never_spoil_one(before in unseen(), after in unseen(), c in "[a-zа-я0-9]") {
            let alone = format!("{before}{after}");
            prop_assert!(clean_text(&alone, 0, 64).is_ok_and(str::is_empty) || clean_text(&alone, 0, 64) == Err(TextError::Invisible));
            let seen = format!("{before}{c}{after}");
            prop_assert_eq!(clean_text(&seen, 1, 64), Ok(seen.trim()));
        }

        #[test]
        fn what_is_accepted_is_trimmed_within_its_length_and_accepted_again(text in "\\PC{0,40}", max in 0..40_usize) {
            if let Ok(clean) = clean_text(&text, 0, max) {
                prop_assert!(clean.chars().count() <= max && clean == clean.trim());
                prop_assert_eq!(clean_text(clean, 0, max), Ok(clean));
            }
        }
    }
}

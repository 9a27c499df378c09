//! Typed ids. All are snowflakes: 63 bits, never zero, sortable by time.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// From a number; `None` for 0 and for what does not fit a signed 64-bit column.
            #[must_use]
            pub const fn new(value: u64) -> Option<Self> {
                match NonZeroU64::new(value) {
                    Some(id) if value <= i64::MAX as u64 => Some(Self(id)),
                    _ => None,
                }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> Self {
                id.get()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::IntErrorKind;

            /// Decimal digits without sign or leading zero, as this type writes them.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
                let value = if plain { text.parse().map_err(|e: std::num::ParseIntError| e.kind().clone())? } else { 0 };
                Self::new(value).ok_or(std::num::IntErrorKind::InvalidDigit)
            }
        }
    )*};
}

ids! {
    /// An account or a guest.
    AccountId,
    /// A face session.
    SessionId,
    /// One device of a member in one session.
    PointId,
    /// All tokens that come from one sign-in.
    FamilyId,
    /// A shared file.
    FileId,
    /// A knock: a request to be admitted by the host.
    KnockId,
}

/// A member of a session: the id of its account or guest.
pub type MemberId = AccountId;

#[cfg(test)]
mod tests {
    use super::AccountId;

    #[test]
    fn an_id_is_positive_and_fits_63_bits() {
        assert!(AccountId::new(0).is_none());
        assert!(AccountId::new(u64::MAX).is_none());
        assert_eq!(AccountId::new(7).map(AccountId::get), Some(7));
    }

    #[test]
    fn an_id_reads_only_what_it_writes() {
        assert_eq!(
            "42".parse::<AccountId>().map(|i| i.to_string()),
            Ok("42".to_owned())
        );
        for bad in [
            "",
            "0",
            "042",
            "+42",
            "-1",
            "4 2",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
    }
}

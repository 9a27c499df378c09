//! What events tell, and their names and bodies for other programs.

use crate::domain::MemberId;
use crate::domain::facesession::EndReason;
use serde::{Deserialize, Serialize};

macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident => $name:literal,)*) => {
        /// What an event is about. The events of one topic and key have an order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Topic { $($(#[$doc])* $topic,)* }

        impl Topic {
            /// All topics.
            pub const ALL: &'static [Self] = &[$(Self::$topic,)*];

            /// The name for other programs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$topic => $name,)* }
            }
        }
    };
}

topics! {
    /// Accounts and guests; the key is the account's id.
    Accounts => "accounts",
    /// Face sessions; the key is the session's id.
    Sessions => "sessions",
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $topic:ident, $name:literal;)*) => {
        /// What happened. Kinds are added; none changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The topic that the kind belongs to.
            #[must_use]
            pub const fn topic(self) -> Topic {
                match self { $(Self::$kind => Topic::$topic,)* }
            }

            /// The name for other programs, unique within the topic.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// An account or a guest was made.
    AccountMade => Accounts, "made";
    /// A guest became an account.
    AccountUpgraded => Accounts, "upgraded";
    /// The nickname changed.
    AccountRenamed => Accounts, "renamed";
    /// An account or a guest was deleted.
    AccountDeleted => Accounts, "deleted";
    /// A session began.
    SessionMade => Sessions, "made";
    /// A session ended.
    SessionEnded => Sessions, "ended";
}

impl Kind {
    /// The kind of these names. `None`: a later version has written them.
    #[must_use]
    pub fn named(topic: &str, name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.topic().as_str() == topic && kind.as_str() == name)
    }
}

/// What an event tells: ids and facts. Never an e-mail address, a code, a token or a nickname,
/// because events are kept for days and leave the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An account or a guest was made.
    AccountMade {
        /// Whether it is a guest.
        guest: bool,
    },
    /// A guest became an account under the same id.
    AccountUpgraded,
    /// The nickname changed; the account has the new one.
    AccountRenamed,
    /// An account or a guest was deleted.
    AccountDeleted,
    /// A session began.
    SessionMade {
        /// Its host then.
        host: MemberId,
    },
    /// A session ended.
    SessionEnded {
        /// Why it ended.
        reason: EndReason,
        /// Who was there: its members at the end and those who had left, by ascending id. Without
        /// those who were removed or never connected.
        members: Vec<MemberId>,
    },
}

/// The fields of all bodies. Ids are text, because they have more bits than a JSON number keeps.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    guest: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<String>>,
}

impl Fact {
    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::AccountMade { .. } => Kind::AccountMade,
            Self::AccountUpgraded => Kind::AccountUpgraded,
            Self::AccountRenamed => Kind::AccountRenamed,
            Self::AccountDeleted => Kind::AccountDeleted,
            Self::SessionMade { .. } => Kind::SessionMade,
            Self::SessionEnded { .. } => Kind::SessionEnded,
        }
    }

    /// The body of the event: a JSON object, `{}` when the kind says everything.
    #[must_use]
    pub fn body(&self) -> String {
        let body = match self {
            Self::AccountMade { guest } => Body {
                guest: Some(*guest),
                ..Body::default()
            },
            Self::SessionMade { host } => Body {
                host: Some(host.to_string()),
                ..Body::default()
            },
            Self::SessionEnded { reason, members } => Body {
                reason: Some(reason.as_str().to_owned()),
                members: Some(members.iter().map(ToString::to_string).collect()),
                ..Body::default()
            },
            Self::AccountUpgraded | Self::AccountRenamed | Self::AccountDeleted => Body::default(),
        };
        serde_json::to_string(&body).expect("text and flags are always JSON")
    }

    /// Reads a body that [`Fact::body`] wrote, also one of a later version, which has more fields.
    /// `None`: it is something else.
    #[must_use]
    pub fn read(kind: Kind, body: &str) -> Option<Self> {
        let body: Body = serde_json::from_str(body).ok()?;
        Some(match kind {
            Kind::AccountMade => Self::AccountMade { guest: body.guest? },
            Kind::AccountUpgraded => Self::AccountUpgraded,
            Kind::AccountRenamed => Self::AccountRenamed,
            Kind::AccountDeleted => Self::AccountDeleted,
            Kind::SessionMade => Self::SessionMade {
                host: body.host?.parse().ok()?,
            },
            Kind::SessionEnded => Self::SessionEnded {
                reason: EndReason::named(&body.reason?)?,
                members: body
                    .members?
                    .iter()
                    .map(|id| id.parse().ok())
                    .collect::<Option<_>>()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Fact, Kind};
    use crate::domain::MemberId;
    use crate::domain::facesession::EndReason;

    fn member(id: u64) -> MemberId {
        MemberId::new(id).expect("an id")
    }

    fn examples() -> Vec<(Fact, &'static str)> {
        let ended = Fact::SessionEnded {
            reason: EndReason::HostEnded,
            members: vec![member(7), member(u64::MAX >> 1)],
        };
        vec![
            (Fact::AccountMade { guest: true }, r#"{"guest":true}"#),
            (Fact::AccountUpgraded, "{}"),
            (Fact::AccountRenamed, "{}"),
            (Fact::AccountDeleted, "{}"),
            (Fact::SessionMade { host: member(7) }, r#"{"host":"7"}"#),
            (
                ended,
                r#"{"reason":"HOST_ENDED","members":["7","9223372036854775807"]}"#,
            ),
        ]
    }

    #[test]
    fn a_body_is_ids_and_facts_and_reads_back() {
        let examples = examples();
        assert_eq!(examples.len(), Kind::ALL.len(), "one for each kind");
        for (fact, body) in examples {
            assert_eq!(fact.body(), body);
            let kind = fact.kind();
            assert_eq!(
                Kind::named(kind.topic().as_str(), kind.as_str()),
                Some(kind)
            );
            assert_eq!(Fact::read(kind, body), Some(fact));
        }
    }

    #[test]
    fn fields_of_a_later_version_are_ignored_and_missing_ones_are_not_made_up() {
        let made = Fact::read(Kind::AccountMade, r#"{"guest":false,"later":{"a":1}}"#);
        assert_eq!(made, Some(Fact::AccountMade { guest: false }));
        for (kind, body) in [
            (Kind::AccountMade, "{}"),
            (Kind::SessionMade, r#"{"host":"0"}"#),
            (Kind::SessionEnded, r#"{"reason":"LATER","members":[]}"#),
            (Kind::AccountDeleted, "nothing"),
        ] {
            assert_eq!(Fact::read(kind, body), None, "{body}");
        }
        assert_eq!(Kind::named("accounts", "ended"), None);
    }
}

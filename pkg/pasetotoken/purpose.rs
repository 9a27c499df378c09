//! What a token is for, and whom.

/// The kind of a token. Each has its own key and its own assertion inside the token's
/// authentication, so that one kind is never accepted in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Proves who calls, for a short time.
    Access,
    /// Buys a new access token.
    Refresh,
    /// Connects one device to one session.
    Session,
    /// Waits for somebody's approval.
    Wait,
    /// Lets its bearer into a session.
    Invite,
    /// Reads one piece of content, where no header can be sent.
    Content,
    /// Proves who calls, in the cookie of an older protocol.
    Cookie,
}

impl Purpose {
    /// Every purpose, in the order of their discriminants.
    pub const ALL: [Self; 7] = [Self::Access, Self::Refresh, Self::Session, Self::Wait, Self::Invite, Self::Content, Self::Cookie];

    /// The stable name of the purpose. It goes into key derivation: changing it invalidates every
    /// token of that purpose.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Session => "session",
            Self::Wait => "wait",
            Self::Invite => "invite",
            Self::Content => "content",
            Self::Cookie => "cookie",
        }
    }

    /// What key derivation and the token's implicit assertion say.
    pub(crate) fn usage(self, audience: Audience) -> String {
        format!("token/{}/{}", audience.as_str(), self.as_str())
    }

    /// Position in [`Purpose::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Where a token is shown: one listener, or several that serve the same callers. A token for one audience is to every other one as good as
/// forged, whatever its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Where people's devices connect: HTTP and the streams upgraded from it.
    Clients,
    /// Where other services call.
    Platform,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 2] = [Self::Clients, Self::Platform];

    /// Its stable name, which goes into key derivation like that of a purpose.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Platform => "platform",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_purpose_at_its_index() {
        for (index, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose.index(), index);
        }
    }
}

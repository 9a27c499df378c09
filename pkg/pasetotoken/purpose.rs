//! What a token is for, and for which listener.

/// The kind of a token. Each kind has its own key and its own authenticated assertion, so one kind
/// is never accepted in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Authenticates the caller for a short time.
    Access,
    /// Is exchanged for a new access token.
    Refresh,
    /// Connects one device to one session.
    Session,
    /// Waits for a host's approval of a join request.
    Wait,
    /// Admits its bearer to a session.
    Invite,
    /// Reads one piece of content, where the client cannot send headers.
    Content,
    /// Authenticates the caller in the cookie of the classic API.
    Cookie,
}

impl Purpose {
    /// Every purpose, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Refresh,
        Self::Session,
        Self::Wait,
        Self::Invite,
        Self::Content,
        Self::Cookie,
    ];

    /// The stable name of the purpose. Keys are derived from it: changing it invalidates every
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

    /// The text for key derivation and for the token's implicit assertion.
    pub(crate) fn usage(self, audience: Audience) -> String {
        format!("token/{}/{}", audience.as_str(), self.as_str())
    }

    /// Position in [`Purpose::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Where a token is used: one listener, or several that serve the same callers. For every other
/// audience a token is as good as forged, whatever its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The listener for people's devices: HTTP and the streams upgraded from it.
    Clients,
    /// The listener for other services.
    Platform,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 2] = [Self::Clients, Self::Platform];

    /// The stable name of the audience. Keys are derived from it, as from that of a purpose.
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

//! Why a socket closes → the close code and reason that the peer sees.

use faceshare_biz::domain::instruction::CloseReason;

/// The code of the close frame (RFC 6455; 4000 and up are ours) and a reason that is short and safe to show.
#[must_use]
pub const fn code_and_reason(why: CloseReason) -> (u16, &'static str) {
    match why {
        CloseReason::Left => (1000, "left"),
        CloseReason::BadFrames => (4000, "too many frames that are none"),
        CloseReason::Unauthenticated => (4001, "credentials not or no longer good"),
        CloseReason::Removed => (4003, "removed by the host"),
        CloseReason::HeartbeatLost => (4008, "nothing heard for too long"),
        CloseReason::Replaced => (4009, "connected elsewhere as the same point"),
        CloseReason::SessionEnded => (4010, "the session is over"),
        CloseReason::FrameTooLarge => (4013, "frame too large"),
        CloseReason::TooMany => (4029, "too many"),
        CloseReason::TooSlow => (1013, "too slow; resume"),
        CloseReason::Restarting => (1012, "restarting; resume"),
        CloseReason::Internal => (1011, "something went wrong on our side; resume"),
    }
}

#[cfg(test)]
mod tests {
    use super::code_and_reason;
    use faceshare_biz::domain::instruction::CloseReason;

    /// A control frame holds 125 bytes, two of them the code.
    const REASON_MAX: usize = 123;

    #[test]
    fn every_reason_has_the_code_that_clients_know() {
        let codes: Vec<_> = CloseReason::ALL
            .iter()
            .map(|why| code_and_reason(*why).0)
            .collect();
        assert_eq!(
            codes,
            [
                1000, 4000, 4001, 4003, 4008, 4009, 4010, 4013, 4029, 1013, 1012, 1011
            ]
        );
    }

    #[test]
    fn every_reason_fits_a_close_frame() {
        for why in CloseReason::ALL {
            let (_, reason) = code_and_reason(why);
            assert!(!reason.is_empty() && reason.len() <= REASON_MAX, "{why:?}");
        }
    }
}

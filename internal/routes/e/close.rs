//! Maps each reason to close a WebSocket to the close code and reason text that the peer gets.

use faceshare_biz::domain::instruction::CloseReason;

/// The code of the close frame (RFC 6455; 4000 and up are the application's) and a reason that is
/// short and safe to show.
#[must_use]
pub const fn code_and_reason(why: CloseReason) -> (u16, &'static str) {
    match why {
        CloseReason::Left => (1000, "left"),
        CloseReason::BadFrames => (4000, "too many malformed frames"),
        CloseReason::Unauthenticated => (4001, "token invalid, expired or revoked"),
        CloseReason::Removed => (4003, "removed by the host"),
        CloseReason::HeartbeatLost => (4008, "heartbeat timeout"),
        CloseReason::Replaced => (4009, "replaced by another connection of this point"),
        CloseReason::SessionEnded => (4010, "session ended"),
        CloseReason::FrameTooLarge => (4013, "frame too large"),
        CloseReason::TooMany => (4029, "limit exceeded"),
        CloseReason::TooSlow => (1013, "client too slow; resume"),
        CloseReason::Restarting => (1012, "server restarting; resume"),
        CloseReason::Internal => (1011, "internal error; resume"),
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

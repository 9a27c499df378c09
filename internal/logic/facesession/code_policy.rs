//! The lifetime of number codes, and when a refused guess is answered.

use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::facesession::CodeRecord;
use std::time::Duration;

/// A use that would move a code's end by less than its lifetime divided by this leaves the end as
/// it is: when many callers join one after the other, few of them cause a write.
const PROLONG_PARTS: u32 = 60;

/// Lifetime and quarantine of number codes, and the delay of a refused guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePolicy {
    /// The lifetime from the creation of the code, or from its last use by a caller who joined.
    pub lifetime: Duration,
    /// The longest lifetime from the creation of the code, however often it is used.
    pub max_lifetime: Duration,
    /// For this long after its end a code is not assigned again.
    pub quarantine: Duration,
    /// A refused guess is answered this long after it arrived, for every reason. Longer than the
    /// server needs to refuse any guess; zero: no delay.
    pub refusal_time: Duration,
}

impl Default for CodePolicy {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            lifetime: 10 * MINUTE,
            max_lifetime: 120 * MINUTE,
            quarantine: 30 * MINUTE,
            refusal_time: Duration::from_millis(50),
        }
    }
}

impl CodePolicy {
    /// The end of a code that is created now.
    pub(super) fn first_end(&self, now: Timestamp) -> Timestamp {
        now + self.lifetime.min(self.max_lifetime)
    }

    /// The new end of a code that is used now; `None`: its end stays, because it would move by less
    /// than a sixtieth of the lifetime.
    pub(super) fn later_end(&self, code: &CodeRecord, now: Timestamp) -> Option<Timestamp> {
        let end = (now + self.lifetime).min(code.created_at + self.max_lifetime);
        (end >= code.expires_at + self.lifetime / PROLONG_PARTS).then_some(end)
    }

    /// The time until which a code that ends now is not assigned again.
    pub(super) fn quarantine_until(&self, now: Timestamp) -> Timestamp {
        now + self.quarantine
    }

    /// How long after its arrival a guess is answered if the refusal was known after `taken`: a
    /// whole number of [`Self::refusal_time`]s, at least one.
    pub(super) fn refused_after(&self, taken: Duration) -> Duration {
        let step = self.refusal_time.as_nanos();
        if step == 0 {
            return Duration::ZERO;
        }
        let steps = taken.as_nanos().div_ceil(step).max(1);
        self.refusal_time
            .saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::CodePolicy;
    use faceshare_biz::domain::facesession::CodeRecord;
    use faceshare_biz::domain::{SessionId, Timestamp};
    use std::time::Duration;

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn code(created: i64, expires: i64) -> CodeRecord {
        CodeRecord {
            fingerprint: [0; 32],
            sealed: String::new(),
            session: SessionId::new(1).expect("an id"),
            created_at: minute(created),
            expires_at: minute(expires),
            effect: None,
        }
    }

    #[test]
    fn a_code_lives_ten_minutes_from_its_last_use_and_two_hours_at_most() {
        let policy = CodePolicy::default();
        assert_eq!(policy.first_end(minute(0)), minute(10));
        assert_eq!(policy.later_end(&code(0, 10), minute(4)), Some(minute(14)));
        assert_eq!(
            policy.later_end(&code(0, 118), minute(115)),
            Some(minute(120))
        );
        assert_eq!(policy.later_end(&code(0, 120), minute(119)), None);
    }

    #[test]
    fn a_use_soon_after_another_writes_nothing() {
        let (policy, code) = (CodePolicy::default(), code(0, 10));
        assert_eq!(policy.later_end(&code, Timestamp::from_millis(9_999)), None);
        assert_eq!(
            policy.later_end(&code, Timestamp::from_millis(10_000)),
            Some(Timestamp::from_millis(610_000))
        );
    }

    #[test]
    fn a_use_never_shortens_a_life() {
        assert_eq!(
            CodePolicy::default().later_end(&code(0, 14), minute(3)),
            None
        );
    }

    #[test]
    fn refusals_fall_on_whole_steps_after_the_arrival() {
        let policy = CodePolicy {
            refusal_time: Duration::from_millis(100),
            ..CodePolicy::default()
        };
        for (taken, answered) in [(0, 100), (1, 100), (100, 100), (101, 200), (350, 400)] {
            assert_eq!(
                policy.refused_after(Duration::from_millis(taken)),
                Duration::from_millis(answered),
                "{taken}"
            );
        }
    }

    #[test]
    fn no_refusal_time_means_no_wait() {
        let policy = CodePolicy {
            refusal_time: Duration::ZERO,
            ..CodePolicy::default()
        };
        assert_eq!(policy.refused_after(Duration::from_secs(3)), Duration::ZERO);
    }
}

//! `number_code.*`: lifetimes of number codes, and how many wrong codes may be tried.

use std::time::Duration;

use faceshare_biz::domain::facesession::{ExpectedHits, GuessLimits};

use super::{DAY, SHORTEST, duration, section::Section};

/// Number codes.
#[derive(Debug, Clone)]
pub(crate) struct NumberCode {
    /// Lifetime of a code since its last use by an admitted member, or since its rotation by the
    /// host.
    pub(crate) lifetime: Duration,
    /// Lifetime of a code since its allocation, however much it is used.
    pub(crate) max_lifetime: Duration,
    /// An expired code is not given out again for this time.
    pub(crate) quarantine: Duration,
    /// Every refusal of a code is answered this long after its arrival, so that the time does not
    /// tell one reason from another.
    pub(crate) refusal_time: Duration,
    /// Budgets of wrong codes.
    pub(crate) guesses: GuessLimits,
}

impl NumberCode {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let refusal_range = Duration::ZERO..=Duration::from_secs(1);
        let number_code = Self {
            lifetime: keys.duration("lifetime", Duration::from_mins(10), SHORTEST..=DAY),
            max_lifetime: keys.duration("max_lifetime", Duration::from_hours(2), SHORTEST..=DAY),
            quarantine: keys.duration("quarantine", Duration::from_mins(30), SHORTEST..=DAY),
            refusal_time: keys.duration("refusal_time", Duration::from_millis(50), refusal_range),
            guesses: guesses(keys),
        };
        if number_code.max_lifetime < number_code.lifetime {
            let [max_lifetime, lifetime] =
                [number_code.max_lifetime, number_code.lifetime].map(duration::format);
            keys.problem(
                "max_lifetime",
                format!("{max_lifetime} is shorter than number_code.lifetime, which is {lifetime}"),
            );
        }
        number_code
    }
}

fn guesses(keys: &mut Section<'_, '_>) -> GuessLimits {
    const COUNT: std::ops::RangeInclusive<u32> = 1..=1_000_000;
    let by_default = GuessLimits::default();
    let limits = GuessLimits {
        per_account: keys.number("guesses_per_account", by_default.per_account, COUNT),
        wait: keys.duration("guess_wait", by_default.wait, SHORTEST..=DAY),
        wait_max: keys.duration("guess_wait_max", by_default.wait_max, SHORTEST..=DAY),
        per_address: keys.number("guesses_per_address", by_default.per_address, COUNT),
        per_address_near: keys.number(
            "guesses_per_address_near",
            by_default.per_address_near,
            COUNT,
        ),
        per_network: keys.number("guesses_per_network", by_default.per_network, COUNT),
        hits_in_window: expected_hits(keys, "expected_hits_short", 50),
        hits_in_long_window: expected_hits(keys, "expected_hits_day", 200),
        ..by_default
    };
    if limits.wait_max < limits.wait {
        keys.problem("guess_wait_max", "is shorter than number_code.guess_wait");
    }
    if limits.per_address_near < limits.per_address {
        keys.problem(
            "guesses_per_address_near",
            "is less than number_code.guesses_per_address",
        );
    }
    limits
}

/// The budget in thousandths, at least one: with a budget of zero, admission would be forced for
/// ever.
fn expected_hits(keys: &mut Section<'_, '_>, key: &'static str, thousandths: u32) -> ExpectedHits {
    ExpectedHits::from_thousandths(keys.thousandths(key, thousandths, 1..=1_000_000))
}

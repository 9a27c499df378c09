//! `number_code.*`: how long the digits that people read out to each other are good.

use std::time::Duration;

use super::{DAY, SHORTEST, duration, section::Section};

/// Number codes.
#[derive(Debug, Clone)]
pub(crate) struct NumberCode {
    /// From the last use of a code by an admitted member, or its rotation by the host.
    pub(crate) lifetime: Duration,
    /// From its allocation, however much it is used.
    pub(crate) max_lifetime: Duration,
    /// A code that died is not given out again for this.
    pub(crate) quarantine: Duration,
    /// Every refusal of a code is answered this long after its arrival, so that time does not tell one reason from another.
    pub(crate) refusal_time: Duration,
}

impl NumberCode {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let refusal_range = Duration::ZERO..=Duration::from_secs(1);
        let number_code = Self {
            lifetime: keys.duration("lifetime", Duration::from_mins(10), SHORTEST..=DAY),
            max_lifetime: keys.duration("max_lifetime", Duration::from_hours(2), SHORTEST..=DAY),
            quarantine: keys.duration("quarantine", Duration::from_mins(30), SHORTEST..=DAY),
            refusal_time: keys.duration("refusal_time", Duration::from_millis(50), refusal_range),
        };
        if number_code.max_lifetime < number_code.lifetime {
            let [max_lifetime, lifetime] = [number_code.max_lifetime, number_code.lifetime].map(duration::format);
            keys.problem("max_lifetime", format!("{max_lifetime} is shorter than number_code.lifetime, which is {lifetime}"));
        }
        number_code
    }
}

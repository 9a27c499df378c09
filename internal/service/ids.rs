//! Ids from snowflakes.

use faceshare_biz::domain::port::IdGenerator;
use workerid::Generator;

/// Snowflake ids. The creator of the generator ensures that no other process of the installation
/// has the same worker id.
#[derive(Debug)]
pub struct SnowflakeIds(Generator);

impl SnowflakeIds {
    /// Takes ids from this generator.
    #[must_use]
    pub const fn new(generator: Generator) -> Self {
        Self(generator)
    }
}

impl IdGenerator for SnowflakeIds {
    fn next_id(&self) -> u64 {
        self.0.next_id()
    }
}

#[cfg(test)]
mod tests {
    use super::SnowflakeIds;
    use crate::SystemClock;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::port::IdGenerator;
    use workerid::{Generator, WorkerId};

    #[test]
    fn every_id_is_a_domain_id_and_greater_than_the_one_before() {
        let ids = SnowflakeIds::new(Generator::new(
            WorkerId::new(3).expect("a worker id"),
            SystemClock,
        ));
        let drawn: Vec<_> = (0..10_000)
            .map(|_| SessionId::new(ids.next_id()).expect("an id"))
            .collect();
        assert!(drawn.is_sorted_by(|a, b| a < b));
    }
}

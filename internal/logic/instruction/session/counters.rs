//! Counters of frequent events, looked up once: a lookup by name and labels costs more than the
//! increment.

use metrics::Counter;

pub(crate) struct Counters {
    /// Positions sent, counted once for each receiver.
    pub(crate) deliveries: Counter,
    positions: Counter,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let positions = metrics::counter!("stream_instructions_total", "instruction" => "actionSync", "outcome" => "taken");
        Self {
            deliveries: metrics::counter!("stream_positions_shown_total"),
            positions,
        }
    }

    /// Counts an instruction that was accepted (`taken`) or refused.
    pub(crate) fn instruction(&self, name: &'static str, taken: bool, position: bool) {
        if position {
            return self.positions.increment(1);
        }
        let outcome = if taken { "taken" } else { "refused" };
        metrics::counter!("stream_instructions_total", "instruction" => name, "outcome" => outcome)
            .increment(1);
    }
}

//! Counters of what happens often, looked up once: by name and labels it costs more than what it counts.

use metrics::Counter;

pub(crate) struct Counters {
    /// Points that were shown a position.
    pub(crate) shown: Counter,
    positions: Counter,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let positions = metrics::counter!("stream_instructions_total", "instruction" => "actionSync", "outcome" => "taken");
        Self {
            shown: metrics::counter!("stream_positions_shown_total"),
            positions,
        }
    }

    /// An instruction was taken or refused.
    pub(crate) fn instruction(&self, name: &'static str, taken: bool, position: bool) {
        if position {
            return self.positions.increment(1);
        }
        let outcome = if taken { "taken" } else { "refused" };
        metrics::counter!("stream_instructions_total", "instruction" => name, "outcome" => outcome)
            .increment(1);
    }
}

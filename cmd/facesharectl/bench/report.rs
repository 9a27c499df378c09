//! The result of a run: a table for people, and a line of JSON with stable names. Units are in the
//! names.

use super::clients::{Clients, Target};
use super::environment::Interval;
use super::measurements::Faults;
use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write as _;

/// Latencies since the scheduled time, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) latency_samples: u64,
    pub(super) latency_p50_ms: f64,
    pub(super) latency_p90_ms: f64,
    pub(super) latency_p99_ms: f64,
    pub(super) latency_p999_ms: f64,
    pub(super) latency_max_ms: f64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            latency_samples: histogram.len(),
            latency_p50_ms: millis(histogram.value_at_quantile(0.5)),
            latency_p90_ms: millis(histogram.value_at_quantile(0.9)),
            latency_p99_ms: millis(histogram.value_at_quantile(0.99)),
            latency_p999_ms: millis(histogram.value_at_quantile(0.999)),
            latency_max_ms: millis(histogram.max()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "minutes in nanoseconds")]
fn millis(nanos: u64) -> f64 {
    rounded(nanos as f64 / 1e6)
}

/// Rounds to four decimals, the precision of the measurements.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The result of a scenario. Fields that a scenario does not measure are absent.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) target: &'static str,
    pub(super) rooms: usize,
    pub(super) members: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) burst: Option<u8>,
    pub(super) connections: usize,
    /// Length of the measurement, without warm-up and drain.
    pub(super) duration_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_s: Option<f64>,
    /// Processors used by the server on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_us_per_delivery: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries_per_server_cpu_s: Option<f64>,
    #[serde(flatten)]
    pub(super) latency: Option<Latency>,
    /// Fields of this scenario only.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heartbeats: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_before_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_after_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kib_per_connection: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_us_per_connection_s: Option<f64>,
    /// Ordered frames that arrived during the measurement: members that join and leave,
    /// instructions and their effects.
    pub(super) ordered_frames: u64,
    pub(super) conflated: u64,
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) reordered: u64,
    pub(super) misdirected: u64,
    pub(super) refused: u64,
    pub(super) disconnected: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_fault: Option<String>,
    /// Processors used by the generator; near 1, the generator is the limit.
    pub(super) generator_cores: f64,
    /// How late the generator sent, compared with its schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator_late_p99_ms: Option<f64>,
}

impl Report {
    /// The fields that every scenario has.
    pub(super) fn new(
        scenario: &'static str,
        clients: &Clients,
        target: Target,
        interval: Interval,
    ) -> Self {
        let Faults {
            lost,
            repeated,
            reordered,
            misdirected,
            refused,
            disconnected,
        } = clients.measurements.faults;
        let late = &clients.measurements.lateness;
        Self {
            scenario,
            target: if target == Target::Faceshare {
                "faceshare"
            } else {
                "floor"
            },
            rooms: clients.rooms.len(),
            members: clients.rooms.first().map_or(0, |room| room.members.len()),
            connections: clients.connected,
            duration_s: rounded(interval.seconds),
            server_cpu_s: interval.server_cpu.map(rounded),
            server_cores: interval
                .server_cpu
                .map(|cpu| rounded(cpu / interval.seconds)),
            ordered_frames: interval.ordered,
            conflated: interval.conflated,
            lost,
            repeated,
            reordered,
            misdirected,
            refused,
            disconnected,
            first_fault: clients.measurements.first_fault.clone(),
            generator_cores: rounded(interval.own_cpu / interval.seconds),
            generator_late_p99_ms: (!late.is_empty()).then(|| millis(late.value_at_quantile(0.99))),
            ..Self::default()
        }
    }

    /// Adds a field of this scenario.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a count, its rate per second, and the server's processor time for each.
    #[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
    pub(super) fn with_each(self, one: &str, many: &str, count: u64, interval: Interval) -> Self {
        let report = self.with(many, count).with(
            &format!("{many}_per_s"),
            rounded(count as f64 / interval.seconds),
        );
        match interval.server_cpu.filter(|cpu| *cpu > 0.0 && count > 0) {
            Some(cpu) => report
                .with(
                    &format!("server_cpu_ms_per_{one}"),
                    rounded(cpu * 1e3 / count as f64),
                )
                .with(
                    &format!("{many}_per_server_cpu_s"),
                    rounded(count as f64 / cpu),
                ),
            None => report,
        }
    }

    /// Adds the deliveries and the server's processor time for each.
    #[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
    pub(super) fn with_deliveries(mut self, interval: Interval, deliveries: u64) -> Self {
        self.deliveries = Some(deliveries);
        self.deliveries_per_s = Some(rounded(deliveries as f64 / interval.seconds));
        if let Some(cpu) = interval
            .server_cpu
            .filter(|cpu| *cpu > 0.0 && deliveries > 0)
        {
            self.server_cpu_us_per_delivery = Some(rounded(cpu * 1e6 / deliveries as f64));
            self.deliveries_per_server_cpu_s = Some(rounded(deliveries as f64 / cpu));
        }
        self
    }

    /// Whether every frame arrived once and in order.
    pub(super) const fn is_clean(&self) -> bool {
        self.lost
            + self.repeated
            + self.reordered
            + self.misdirected
            + self.refused
            + self.disconnected
            == 0
    }

    /// Prints the table; with `json` the JSON line on stdout and the table on stderr.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        let line = serde_json::to_value(self)?;
        let mut table = String::new();
        for (name, value) in line.as_object().into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            table.push_str(&format!("  {name:<32}{value:>16}\n"));
        }
        if json {
            write!(std::io::stderr(), "{table}")?;
            writeln!(std::io::stdout(), "{line}")?;
        } else {
            write!(std::io::stdout(), "{table}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, Report};
    use crate::bench::measurements::histogram;

    #[test]
    fn the_names_in_the_json_line_are_stable() {
        let mut times = histogram().expect("a histogram");
        times.record(2_000_000).expect("in range");
        let report = Report {
            scenario: "fanout",
            target: "floor",
            latency: Some(Latency::of(&times)),
            deliveries: Some(7),
            ..Report::default()
        };
        let line = serde_json::to_value(&report).expect("is JSON");
        for name in [
            "scenario",
            "target",
            "rooms",
            "members",
            "connections",
            "duration_s",
            "deliveries",
            "latency_p50_ms",
            "latency_p99_ms",
            "latency_p999_ms",
            "latency_max_ms",
            "conflated",
            "lost",
            "repeated",
            "reordered",
            "misdirected",
            "refused",
            "disconnected",
            "generator_cores",
        ] {
            assert!(line.get(name).is_some(), "{name} in {line}");
        }
        assert_eq!(
            line.get("kib_per_connection"),
            None,
            "not measured, so not there"
        );
        assert!((line["latency_p99_ms"].as_f64().expect("a number") - 2.0).abs() < 0.01);
    }

    #[test]
    fn a_run_with_any_fault_is_not_clean() {
        assert!(
            Report {
                conflated: 9,
                ..Report::default()
            }
            .is_clean()
        );
        for fault in [
            Report {
                lost: 1,
                ..Report::default()
            },
            Report {
                repeated: 1,
                ..Report::default()
            },
            Report {
                refused: 1,
                ..Report::default()
            },
        ] {
            assert!(!fault.is_clean());
        }
    }
}

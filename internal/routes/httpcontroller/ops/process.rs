//! The usual `process_*` metrics, in the text format of Prometheus.
//!
//! They are written here and not by the recorder: its counters are whole numbers, and it gives all
//! names the prefix of this server.

use metrics_process::collector::{Metrics, collect};
use std::fmt::Write as _;

/// Reads the figures of this process and writes them. A figure that the system does not tell is left
/// out.
pub(super) fn process_metrics() -> String {
    text(&collect())
}

fn text(figures: &Metrics) -> String {
    let number = |figure: Option<u64>| figure.map(|figure| figure.to_string());
    let metrics = [
        (
            "process_cpu_seconds_total",
            "User and system processor time, in seconds.",
            figures.cpu_seconds_total.map(|seconds| seconds.to_string()),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory, in bytes.",
            number(figures.resident_memory_bytes),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory, in bytes.",
            number(figures.virtual_memory_bytes),
        ),
        (
            "process_open_fds",
            "Open file descriptors.",
            number(figures.open_fds),
        ),
        (
            "process_max_fds",
            "The most open file descriptors.",
            number(figures.max_fds),
        ),
        (
            "process_threads",
            "Threads of the process.",
            number(figures.threads),
        ),
        (
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            number(figures.start_time_seconds),
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in metrics {
        let Some(value) = value else { continue };
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;
    use metrics_process::collector::Metrics;

    #[test]
    fn each_figure_that_is_known_has_its_type_and_value() {
        let figures = Metrics {
            cpu_seconds_total: Some(1.25),
            open_fds: Some(7),
            ..Metrics::default()
        };
        let text = text(&figures);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("# HELP"))
            .collect();
        assert_eq!(
            lines,
            [
                "# TYPE process_cpu_seconds_total counter",
                "process_cpu_seconds_total 1.25",
                "# TYPE process_open_fds gauge",
                "process_open_fds 7",
            ]
        );
    }
}

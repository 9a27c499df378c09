//! The command line of `facesharectl bench`.

use super::clients::Target;
use clap::{Subcommand, builder::RangedU64ValueParser};
use std::path::PathBuf;
use std::time::Duration;

/// A scenario and the server that it runs against.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// The scenario.
    #[command(subcommand)]
    pub(super) scenario: Scenario,
    /// What listens at the address: faceshare, or a baseline that broadcasts what is sent to
    /// /room/<n>?role=sender to all with role=receiver.
    #[arg(long, global = true, value_enum, default_value = "faceshare")]
    pub(super) target: Target,
    /// Start this faceshareapp on free ports with a temporary data folder and the limits that the
    /// scenario needs, and stop it afterwards.
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) spawn: Option<PathBuf>,
    /// A setting for the started server, e.g. database.synchronous=full.
    #[arg(long, global = true, value_name = "KEY=VALUE", requires = "spawn")]
    pub(super) set: Vec<String>,
    /// The server's process id; found automatically when the server runs on this machine.
    #[arg(long, global = true)]
    pub(super) pid: Option<u32>,
    /// The processor to bind the started server to.
    #[arg(long, global = true, value_name = "N", requires = "spawn")]
    pub(super) server_core: Option<u32>,
    /// The processor to bind the generator to.
    #[arg(long, global = true, value_name = "N")]
    pub(super) load_core: Option<u32>,
    /// Time under load before the measurement begins.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    pub(super) warmup: Duration,
    /// Length of the measurement; each scenario has its own default.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(super) duration: Option<Duration>,
    /// The longest time for all clients to connect.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub(super) patience: Duration,
}

/// A scenario.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Scenario {
    /// Presenters send their position, all others follow: the cost of a delivery.
    Fanout(Fanout),
    /// Connections that send only heartbeats: the cost of a connection.
    Idle(Idle),
    /// Clients join with the number code: the cost of prejoin, connect, welcome and the
    /// notification of the others.
    Join(Join),
    /// All connections drop and resume.
    Storm(Storm),
    /// Ordered instructions, committed to the log before they are acknowledged.
    Control(Control),
    /// Fan-out at a rising rate, until a limit is reached.
    Saturate(Saturate),
    /// One large busy session next to many small ones: how much it slows them down.
    Fairness(Fairness),
}

/// Rooms whose presenters send positions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Fanout {
    /// Number of sessions.
    #[arg(long, default_value_t = 1, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each session, including the presenter.
    #[arg(long, default_value_t = 1000, value_parser = count())]
    pub(super) members: usize,
    /// Positions (or bursts of positions) per second and presenter.
    #[arg(long, default_value_t = 30.0)]
    pub(super) rate: f64,
    /// Positions sent at once, each with another key.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) burst: u8,
}

/// Connections that send only heartbeats.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Idle {
    /// Number of connections.
    #[arg(long, default_value_t = 10_000, value_parser = count())]
    pub(super) connections: usize,
    /// Members of each session.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
}

/// Clients that join with the number code.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Join {
    /// Number of sessions; their hosts are connected before the measurement.
    #[arg(long, default_value_t = 200, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each session in the end, including the host.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// Joins per second in total.
    #[arg(long, default_value_t = 300.0)]
    pub(super) rate: f64,
}

/// Clients that drop and resume.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Storm {
    /// Number of connections.
    #[arg(long, default_value_t = 10_000, value_parser = count())]
    pub(super) connections: usize,
    /// Members of each session.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// How long all clients stay disconnected. Beyond `member.debounce` each loss is announced, and
    /// the disconnected clients miss the announcement.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub(super) away: Duration,
    /// The time over which the clients begin to reconnect.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "3")]
    pub(super) window: Duration,
}

/// Ordered instructions.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Control {
    /// Number of sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each session that send.
    #[arg(long, default_value_t = 4, value_parser = count())]
    pub(super) members: usize,
    /// Instructions per second and member.
    #[arg(long, default_value_t = 50.0)]
    pub(super) rate: f64,
    /// Connect only one member of each session, which sends for all: commits with almost no
    /// deliveries.
    #[arg(long)]
    pub(super) quiet_members: bool,
}

/// Fan-out at a rising rate.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Saturate {
    /// Number of sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each session, including the presenter.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// Positions per second and presenter in the first step.
    #[arg(long, default_value_t = 10.0)]
    pub(super) rate: f64,
    /// Factor by which the rate grows from step to step.
    #[arg(long, default_value_t = 1.25)]
    pub(super) factor: f64,
    /// The highest 99th percentile of latency that is acceptable.
    #[arg(long, value_name = "MS", default_value_t = 50.0)]
    pub(super) p99: f64,
    /// The fraction of positions that newer ones may replace.
    #[arg(long, default_value_t = 0.01)]
    pub(super) loss: f64,
    /// Processors that the server may fill.
    #[arg(long, default_value_t = 1.0)]
    pub(super) cores: f64,
}

/// A busy session and quiet ones.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Fairness {
    /// Members of the busy session, including the presenter.
    #[arg(long, default_value_t = 1000, value_parser = count())]
    pub(super) members: usize,
    /// Positions per second of its presenter.
    #[arg(long, default_value_t = 30.0)]
    pub(super) rate: f64,
    /// Number of quiet sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) quiet_rooms: usize,
    /// Members of each quiet session.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) quiet_members: usize,
    /// Positions per second of each of their presenters.
    #[arg(long, default_value_t = 1.0)]
    pub(super) quiet_rate: f64,
}

fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100_000)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .strip_suffix('s')
        .unwrap_or(text)
        .parse::<f64>()
        .map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Scenario {
    /// The limits that the scenario needs: keys of `limits` with their least value.
    #[expect(clippy::cast_precision_loss, reason = "a few members")]
    pub(super) fn limits(&self) -> Vec<(&'static str, u64)> {
        // All clients connect from one address.
        let mut limits = vec![
            ("http_per_address", UNLIMITED),
            ("guests_per_address", UNLIMITED),
            ("connections_per_address", UNLIMITED),
            ("connections_per_network", UNLIMITED),
            ("connections_per_prefix", UNLIMITED),
            ("streams_per_address", UNLIMITED),
            ("streams_per_network", UNLIMITED),
            ("streams_per_prefix", UNLIMITED),
            ("seats_per_address", 10_000),
        ];
        match self {
            Self::Fanout(Fanout {
                members,
                rate,
                burst,
                ..
            }) => {
                let (rate, burst) = (whole(*rate), u64::from(*burst));
                limits.push(("members_per_session", *members as u64));
                // Positions of an even rate arrive unevenly.
                limits.push(("actions_per_second", (rate * 2).min(ACTIONS_MAX)));
                limits.push(("actions_flood_per_second", rate * burst * 2));
                limits.push(("action_keys", burst));
            }
            Self::Idle(Idle { members, .. })
            | Self::Join(Join { members, .. })
            | Self::Storm(Storm { members, .. }) => {
                limits.push(("members_per_session", *members as u64));
            }
            Self::Control(Control {
                members,
                rate,
                quiet_members,
                ..
            }) => {
                let each = whole(if *quiet_members {
                    rate * *members as f64
                } else {
                    *rate
                });
                limits.push(("members_per_session", *members as u64 + 1));
                // Delayed instructions arrive together.
                limits.extend([
                    ("ordered_per_second", each * 2),
                    ("ordered_burst", each * 2),
                ]);
            }
            Self::Saturate(Saturate { members, .. }) => {
                limits.push(("members_per_session", *members as u64));
                limits.extend([
                    ("actions_per_second", ACTIONS_MAX),
                    ("actions_flood_per_second", ACTIONS_MAX * 10),
                ]);
            }
            Self::Fairness(Fairness {
                members,
                quiet_members,
                rate,
                ..
            }) => {
                limits.push(("members_per_session", *members.max(quiet_members) as u64));
                let rate = whole(*rate);
                limits.extend([
                    ("actions_per_second", (rate * 2).min(ACTIONS_MAX)),
                    ("actions_flood_per_second", rate * 2),
                ]);
            }
        }
        limits
    }
}

/// The highest rate at which a server accepts changes of one key, per second.
pub(super) const ACTIONS_MAX: u64 = 1_000;

/// The highest value of the limits per address.
const UNLIMITED: u64 = 1_000_000;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate; nonsense is refused by the server"
)]
fn whole(rate: f64) -> u64 {
    rate.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::{Duration, seconds};

    #[test]
    fn seconds_may_have_a_unit_and_a_fraction() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("20s"), Ok(Duration::from_secs(20)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
    }
}

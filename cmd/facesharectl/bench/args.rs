//! The command line of `facesharectl bench`.

use super::crowd::Target;
use clap::{Subcommand, builder::RangedU64ValueParser};
use std::path::PathBuf;
use std::time::Duration;

/// What to do to which server.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(super) scenario: Scenario,
    /// What listens there: faceshare, or a baseline that broadcasts what is sent to /room/<n>?role=sender to all with role=receiver.
    #[arg(long, global = true, value_enum, default_value = "faceshare")]
    pub(super) target: Target,
    /// Start this faceshareapp on free ports and a folder of its own, with the limits that the scenario needs, and stop it afterwards.
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) spawn: Option<PathBuf>,
    /// A setting for the server that is started, e.g. database.synchronous=full.
    #[arg(long, global = true, value_name = "KEY=VALUE", requires = "spawn")]
    pub(super) set: Vec<String>,
    /// The server's process; found by itself when it runs on this machine.
    #[arg(long, global = true)]
    pub(super) pid: Option<u32>,
    /// The processor that the started server is bound to.
    #[arg(long, global = true, value_name = "N", requires = "spawn")]
    pub(super) server_core: Option<u32>,
    /// The processor that the generator is bound to.
    #[arg(long, global = true, value_name = "N")]
    pub(super) load_core: Option<u32>,
    /// Under load, but not measured yet.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    pub(super) warmup: Duration,
    /// What is measured; each scenario has its own default.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(super) duration: Option<Duration>,
    /// How long everybody may take to come.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub(super) patience: Duration,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Scenario {
    /// Presenters show their position, everybody follows: the price of a delivery.
    Fanout(Fanout),
    /// Nobody says anything but heartbeats: the price of a connection.
    Idle(Idle),
    /// People come by the number code: the price of prejoin, connect, welcome and telling the others.
    Join(Join),
    /// Everybody drops and comes back to where it was.
    Storm(Storm),
    /// Ordered instructions, kept in the log before they are acknowledged.
    Control(Control),
    /// Fan-out at a rising rate, until something gives.
    Saturate(Saturate),
    /// One large busy session beside many small ones: what these notice of it.
    Fairness(Fairness),
}

/// Rooms and what their presenters do.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Fanout {
    /// Sessions.
    #[arg(long, default_value_t = 1, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each, the presenter included.
    #[arg(long, default_value_t = 1000, value_parser = count())]
    pub(super) members: usize,
    /// Positions, or bursts of them, per second and presenter.
    #[arg(long, default_value_t = 30.0)]
    pub(super) rate: f64,
    /// Positions sent at once, each of another key.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) burst: u8,
}

/// Connections that do nothing.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Idle {
    /// All of them.
    #[arg(long, default_value_t = 10_000, value_parser = count())]
    pub(super) connections: usize,
    /// Members of each session.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
}

/// People who come.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Join {
    /// Sessions; their hosts are there already.
    #[arg(long, default_value_t = 200, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each in the end, the host included.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// People coming per second, all told.
    #[arg(long, default_value_t = 300.0)]
    pub(super) rate: f64,
}

/// People who drop and come back.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Storm {
    /// All of them.
    #[arg(long, default_value_t = 10_000, value_parser = count())]
    pub(super) connections: usize,
    /// Members of each session.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// How long nobody is there. Beyond `member.debounce` each loss is announced, and missed by those who are away.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub(super) away: Duration,
    /// The time over which they begin to come back.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "3")]
    pub(super) window: Duration,
}

/// Instructions that must last.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Control {
    /// Sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each who send.
    #[arg(long, default_value_t = 4, value_parser = count())]
    pub(super) members: usize,
    /// Instructions per second and member.
    #[arg(long, default_value_t = 50.0)]
    pub(super) rate: f64,
    /// Only one member of each session is connected and sends for all: commits with next to no deliveries.
    #[arg(long)]
    pub(super) quiet_members: bool,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Saturate {
    /// Sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) rooms: usize,
    /// Members of each, the presenter included.
    #[arg(long, default_value_t = 10, value_parser = count())]
    pub(super) members: usize,
    /// Positions per second and presenter, at first.
    #[arg(long, default_value_t = 10.0)]
    pub(super) rate: f64,
    /// By how much the rate grows from step to step.
    #[arg(long, default_value_t = 1.25)]
    pub(super) factor: f64,
    /// The 99th percentile of latency that is still good.
    #[arg(long, value_name = "MS", default_value_t = 50.0)]
    pub(super) p99: f64,
    /// The part of the positions that may be left out for newer ones.
    #[arg(long, default_value_t = 0.01)]
    pub(super) loss: f64,
    /// Processors that the server may fill.
    #[arg(long, default_value_t = 1.0)]
    pub(super) cores: f64,
}

/// Who might be disturbed, and by whom.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Fairness {
    /// Members of the busy session, the presenter included.
    #[arg(long, default_value_t = 1000, value_parser = count())]
    pub(super) members: usize,
    /// Positions per second of its presenter.
    #[arg(long, default_value_t = 30.0)]
    pub(super) rate: f64,
    /// Quiet sessions.
    #[arg(long, default_value_t = 100, value_parser = count())]
    pub(super) quiet_rooms: usize,
    /// Members of each of them.
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
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Scenario {
    /// What a server needs to be allowed for this: keys of `limits` and the least they may be.
    #[expect(clippy::cast_precision_loss, reason = "a few members")]
    pub(super) fn limits(&self) -> Vec<(&'static str, u64)> {
        // Everybody comes from one address.
        let mut limits = vec![
            ("http_per_address", UNLIMITED),
            ("guests_per_address", UNLIMITED),
            ("connections_per_address", UNLIMITED),
            ("connections_per_network", UNLIMITED),
            ("streams_per_address", UNLIMITED),
            ("seats_per_address", 10_000),
        ];
        match self {
            Self::Fanout(Fanout { members, rate, burst, .. }) => {
                let (rate, burst) = (whole(*rate), u64::from(*burst));
                limits.push(("members_per_session", *members as u64));
                // An even rate arrives unevenly.
                limits.push(("actions_per_second", (rate * 2).min(MOST_ACTIONS)));
                limits.push(("actions_flood_per_second", rate * burst * 2));
                limits.push(("action_keys", burst));
            }
            Self::Idle(Idle { members, .. }) | Self::Join(Join { members, .. }) | Self::Storm(Storm { members, .. }) => {
                limits.push(("members_per_session", *members as u64));
            }
            Self::Control(Control { members, rate, quiet_members, .. }) => {
                let each = whole(if *quiet_members { rate * *members as f64 } else { *rate });
                limits.push(("members_per_session", *members as u64 + 1));
                // What was late comes at once.
                limits.extend([("ordered_per_second", each * 2), ("ordered_burst", each * 2)]);
            }
            Self::Saturate(Saturate { members, .. }) => {
                limits.push(("members_per_session", *members as u64));
                limits.extend([("actions_per_second", MOST_ACTIONS), ("actions_flood_per_second", MOST_ACTIONS * 10)]);
            }
            Self::Fairness(Fairness { members, quiet_members, rate, .. }) => {
                limits.push(("members_per_session", *members.max(quiet_members) as u64));
                let rate = whole(*rate);
                limits.extend([("actions_per_second", (rate * 2).min(MOST_ACTIONS)), ("actions_flood_per_second", rate * 2)]);
            }
        }
        limits
    }
}

/// As often as a server lets one key change.
pub(super) const MOST_ACTIONS: u64 = 1_000;

/// As much as these two can be set to.
const UNLIMITED: u64 = 1_000_000;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate; nonsense is refused by the server")]
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

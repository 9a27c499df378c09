//! The stand on which a scenario runs: the server and its process, the generator's own process, files and processors.

use super::args::Args;
use super::crowd::{Crowd, Group, Stage, Target};
use super::process::Process;
use super::server::Server;
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::Range;
use std::time::Duration;

/// Where everything runs.
pub(super) struct Stand {
    _server: Option<Server>,
    pub(super) target: Target,
    address: SocketAddr,
    host: String,
    server_process: Option<Process>,
    pub(super) patience: Duration,
}

/// What the kernel and the tally said at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    at: u64,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
    pub(super) deliveries: u64,
    pub(super) ordered: u64,
    pub(super) acks: u64,
    pub(super) sent: u64,
    pub(super) conflated: u64,
    pub(super) heartbeats: u64,
}

/// What lies between two moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) seconds: f64,
    pub(super) server_cpu: Option<f64>,
    pub(super) own_cpu: f64,
    pub(super) deliveries: u64,
    pub(super) ordered: u64,
    pub(super) acks: u64,
    pub(super) sent: u64,
    pub(super) conflated: u64,
    pub(super) heartbeats: u64,
}

impl Stand {
    /// Starts the server if asked to, and finds its process.
    pub(super) fn raise(args: &Args, server: &str) -> Result<Self> {
        raise_file_limit();
        let own = match &args.spawn {
            Some(program) => Some(Server::start(program, args.server_core, &args.scenario.limits(), &args.set)?),
            None => None,
        };
        if let Some(core) = args.load_core {
            bind_to(core)?;
        }
        let (address, host) = match &own {
            Some(server) => (server.address, server.address.to_string()),
            None => resolve(server)?,
        };
        let pid = args.pid.or_else(|| own.as_ref().map(Server::pid));
        let server_process = pid.map(Process::new).or_else(|| Process::listening_on(address));
        if server_process.is_none() {
            writeln!(std::io::stderr(), "the server's process is not known (see --pid): nothing is said of its processor time and memory")?;
        }
        Ok(Self { _server: own, target: args.target, address, host, server_process, patience: args.patience })
    }

    /// A crowd that nobody of has come yet.
    pub(super) fn crowd(&self, groups: &[Group]) -> Result<Crowd> {
        Crowd::new(self.target, self.address, self.host.clone(), groups)
    }

    /// Has these members connect, and waits until they have and until everybody has been told of everybody.
    pub(super) fn assemble(&self, crowd: &mut Crowd, members: Range<usize>) -> Result<()> {
        let total = crowd.connected + members.len();
        crowd.bring(members, Stage::Connected);
        crowd.run_until(&mut super::crowd::Listen, "joining", total, self.patience, |crowd| crowd.connected)?;
        crowd.run_until(&mut super::crowd::Listen, "settling", crowd.rooms.len(), self.patience, settled)
    }

    /// Resident memory of the server in KiB.
    pub(super) fn resident(&self) -> Result<Option<u64>> {
        self.server_process.map(Process::resident).transpose()
    }

    pub(super) fn mark(&self, crowd: &Crowd) -> Result<Mark> {
        Ok(Mark {
            at: crowd.now(),
            server_cpu: self.server_process.map(Process::cpu).transpose()?,
            own_cpu: Process::own().cpu()?,
            deliveries: crowd.tally.deliveries,
            ordered: crowd.tally.ordered,
            acks: crowd.tally.acks,
            sent: crowd.tally.sent,
            conflated: crowd.tally.conflated,
            heartbeats: crowd.tally.heartbeats,
        })
    }

    /// What happened since.
    pub(super) fn since(&self, begin: Mark, crowd: &Crowd) -> Result<Span> {
        let end = self.mark(crowd)?;
        let server_cpu = begin.server_cpu.zip(end.server_cpu).map(|(begin, end)| end.saturating_sub(begin).as_secs_f64());
        Ok(Span {
            seconds: Duration::from_nanos(end.at - begin.at).as_secs_f64(),
            server_cpu,
            own_cpu: end.own_cpu.saturating_sub(begin.own_cpu).as_secs_f64(),
            deliveries: end.deliveries - begin.deliveries,
            ordered: end.ordered - begin.ordered,
            acks: end.acks - begin.acks,
            sent: end.sent - begin.sent,
            conflated: end.conflated - begin.conflated,
            heartbeats: end.heartbeats - begin.heartbeats,
        })
    }
}

/// Rooms in which everybody connected has seen the same last frame.
pub(super) fn settled(crowd: &Crowd) -> usize {
    let at_rest = |room: &&super::crowd::Room| {
        let mut seen =
            crowd.members[room.members.clone()].iter().filter(|member| member.stage == Stage::Connected).map(|member| member.seq);
        let first = seen.next();
        seen.all(|seq| Some(seq) == first)
    };
    crowd.rooms.iter().filter(at_rest).count()
}

/// `http://host:port` → where to connect to and what to call it.
fn resolve(server: &str) -> Result<(SocketAddr, String)> {
    let host =
        server.strip_prefix("http://").context("the generator speaks http:// alone: put it beside the server")?.trim_end_matches('/');
    let with_port =
        if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { host.to_owned() } else { format!("{host}:80") };
    let address = with_port.to_socket_addrs().with_context(|| host.to_owned())?.next().with_context(|| format!("{host} has no address"))?;
    Ok((address, host.to_owned()))
}

/// Each connection is a file, here and in a server that is started.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where that is not allowed, connecting says so soon enough.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(target_os = "linux")]
fn bind_to(core: u32) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let core = usize::try_from(core)?;
    ensure!(core < CpuSet::MAX_CPU, "--load-core {core}: there is no such processor");
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot bind to processor {core}"))
}

#[cfg(not(target_os = "linux"))]
fn bind_to(_core: u32) -> Result<()> {
    ensure!(false, "--load-core needs Linux");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn an_address_is_read_as_browsers_do() {
        assert_eq!(resolve("http://127.0.0.1:8080/").expect("an address").1, "127.0.0.1:8080");
        assert_eq!(resolve("http://127.0.0.1").expect("an address").0.port(), 80);
        assert!(resolve("https://127.0.0.1").is_err());
    }
}

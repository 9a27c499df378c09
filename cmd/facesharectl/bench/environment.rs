//! The environment of a run: the server and its process, the generator's process, file limits and
//! processors.

use super::args::BenchArgs;
use super::clients::{Clients, Group, MemberState, Target};
use super::process::Process;
use super::server::Server;
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::Range;
use std::time::Duration;

/// The environment of a run.
pub(super) struct Environment {
    _server: Option<Server>,
    pub(super) target: Target,
    address: SocketAddr,
    host: String,
    server_process: Option<Process>,
    pub(super) patience: Duration,
}

/// Counters at one point in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
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

/// The differences between two points in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
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

impl Environment {
    /// Starts the server if requested, and finds its process.
    pub(super) fn set_up(args: &BenchArgs, server: &str) -> Result<Self> {
        raise_file_limit();
        let own = match &args.spawn {
            Some(program) => Some(Server::start(
                program,
                args.server_core,
                &args.scenario.limits(),
                &args.set,
            )?),
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
        let server_process = pid
            .map(Process::new)
            .or_else(|| Process::listening_on(address));
        if server_process.is_none() {
            writeln!(
                std::io::stderr(),
                "the server's process is unknown (use --pid): its processor time and memory are not measured"
            )?;
        }
        Ok(Self {
            _server: own,
            target: args.target,
            address,
            host,
            server_process,
            patience: args.patience,
        })
    }

    /// Creates clients; none is connected.
    pub(super) fn clients(&self, groups: &[Group]) -> Result<Clients> {
        Clients::new(self.target, self.address, self.host.clone(), groups)
    }

    /// Connects these members, and waits until they are connected and all members have received all
    /// frames.
    pub(super) fn assemble(&self, clients: &mut Clients, members: Range<usize>) -> Result<()> {
        let total = clients.connected + members.len();
        clients.advance(members, MemberState::Connected);
        clients.run_until(
            &mut super::clients::NoPlan,
            "joining",
            total,
            self.patience,
            |clients| clients.connected,
        )?;
        clients.run_until(
            &mut super::clients::NoPlan,
            "settling",
            clients.rooms.len(),
            self.patience,
            settled,
        )
    }

    /// The server's resident memory in KiB; `None` if its process is unknown.
    pub(super) fn resident(&self) -> Result<Option<u64>> {
        self.server_process.map(Process::resident).transpose()
    }

    pub(super) fn snapshot(&self, clients: &Clients) -> Result<Snapshot> {
        Ok(Snapshot {
            at: clients.now(),
            server_cpu: self.server_process.map(Process::cpu).transpose()?,
            own_cpu: Process::own().cpu()?,
            deliveries: clients.measurements.deliveries,
            ordered: clients.measurements.ordered,
            acks: clients.measurements.acks,
            sent: clients.measurements.sent,
            conflated: clients.measurements.conflated,
            heartbeats: clients.measurements.heartbeats,
        })
    }

    /// The differences since `begin`.
    pub(super) fn since(&self, begin: Snapshot, clients: &Clients) -> Result<Interval> {
        let end = self.snapshot(clients)?;
        let server_cpu = begin
            .server_cpu
            .zip(end.server_cpu)
            .map(|(begin, end)| end.saturating_sub(begin).as_secs_f64());
        Ok(Interval {
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

/// The number of rooms in which all connected members have received the same last frame.
pub(super) fn settled(clients: &Clients) -> usize {
    let is_settled = |room: &&super::clients::Room| {
        let mut seqs = clients.members[room.members.clone()]
            .iter()
            .filter(|member| member.state == MemberState::Connected)
            .map(|member| member.seq);
        let first = seqs.next();
        seqs.all(|seq| Some(seq) == first)
    };
    clients.rooms.iter().filter(is_settled).count()
}

/// Parses `http://host:port` into the address to connect to and the value of the `Host` header.
fn resolve(server: &str) -> Result<(SocketAddr, String)> {
    let host = server
        .strip_prefix("http://")
        .context("the generator supports only http://: run it on the server's machine or network")?
        .trim_end_matches('/');
    let with_port = if host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = with_port
        .to_socket_addrs()
        .with_context(|| host.to_owned())?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    Ok((address, host.to_owned()))
}

/// Each connection needs a file descriptor, here and in a server that is started.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If this is not allowed, connecting reports it soon enough.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

#[cfg(target_os = "linux")]
fn bind_to(core: u32) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let core = usize::try_from(core)?;
    ensure!(
        core < CpuSet::MAX_CPU,
        "--load-core {core}: there is no such processor"
    );
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
    fn an_address_is_parsed_as_browsers_do() {
        assert_eq!(
            resolve("http://127.0.0.1:8080/").expect("an address").1,
            "127.0.0.1:8080"
        );
        assert_eq!(
            resolve("http://127.0.0.1").expect("an address").0.port(),
            80
        );
        assert!(resolve("https://127.0.0.1").is_err());
    }
}

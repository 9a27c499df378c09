//! Connections and the one thread that serves them: `epoll` through mio, one read buffer for all, and no task per connection.

use super::alarm::Alarm;
use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What is read at once. Larger than any burst to one connection.
const BUFFER: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// Connections from one source address. The kernel hands out about 28,000 ports for each.
const PER_SOURCE: usize = 20_000;
const ALARM: Token = Token(usize::MAX - 1);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// HTTP calls, by the number of its place in the pool.
    Http(usize),
    /// The stream of a member, before the upgrade is answered.
    Opening(usize),
    /// The stream of a member.
    Stream(usize),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    pub(super) role: Role,
    connected: bool,
    /// The beginning of a message whose end has not come yet.
    pub(super) unread: Vec<u8>,
    /// What the kernel would not take yet.
    unsent: Vec<u8>,
}

/// What reading brought.
pub(super) enum Got {
    Bytes(usize),
    Nothing,
    End,
}

/// All connections.
pub(super) struct Net {
    poll: Poll,
    alarm: Alarm,
    server: SocketAddr,
    links: Vec<Option<Link>>,
    free: Vec<usize>,
    opened: usize,
    /// Where bytes are read to. Taken out while they are looked at.
    pub(super) buffer: Vec<u8>,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened {
    pub(super) link: usize,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Net {
    pub(super) fn new(server: SocketAddr) -> Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        Ok(Self { poll, alarm, server, links: Vec::new(), free: Vec::new(), opened: 0, buffer: vec![0; BUFFER] })
    }

    pub(super) fn events() -> Events {
        Events::with_capacity(EVENTS)
    }

    /// Waits for something to happen, but no longer than `wait`.
    pub(super) fn wait(&mut self, events: &mut Events, happened: &mut Vec<Happened>, wait: Duration) -> Result<()> {
        let wait = if wait.is_zero() { wait } else { self.alarm.set(wait)? };
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
        happened.clear();
        happened.extend(events.iter().filter(|event| event.token() != ALARM).map(|event| Happened {
            link: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable(),
        }));
        Ok(())
    }

    /// Begins to connect; bytes may be sent at once and leave when it is connected.
    pub(super) fn open(&mut self, role: Role) -> Result<usize> {
        let stream = self.connect().context("cannot connect")?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.links.push(None);
            self.links.len() - 1
        });
        let mut link = Link { stream, role, connected: false, unread: Vec::new(), unsent: Vec::new() };
        self.poll.registry().register(&mut link.stream, Token(slot), Interest::READABLE | Interest::WRITABLE)?;
        self.links[slot] = Some(link);
        self.opened += 1;
        Ok(slot)
    }

    fn connect(&self) -> Result<TcpStream> {
        let domain = socket2::Domain::for_address(self.server);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let source = self.opened / PER_SOURCE;
        if source > 0 && self.server.ip().is_loopback() && self.server.is_ipv4() {
            let last = u8::try_from(source + 1).unwrap_or(u8::MAX);
            socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
        }
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    pub(super) fn link(&mut self, slot: usize) -> Option<&mut Link> {
        self.links.get_mut(slot)?.as_mut()
    }

    /// Lets a connection go, without a word.
    pub(super) fn drop_link(&mut self, slot: usize) {
        if let Some(mut link) = self.links.get_mut(slot).and_then(Option::take) {
            // Closing it deregisters it as well.
            let _ = self.poll.registry().deregister(&mut link.stream);
            self.free.push(slot);
        }
    }

    /// Sends what the kernel takes and keeps the rest.
    pub(super) fn send(&mut self, slot: usize, bytes: &[u8]) {
        let Some(link) = self.link(slot) else { return };
        let taken = if link.connected && link.unsent.is_empty() { link.stream.write(bytes).unwrap_or(0) } else { 0 };
        link.unsent.extend_from_slice(&bytes[taken..]);
    }

    /// Sends what was kept.
    pub(super) fn flush(&mut self, slot: usize) {
        let Some(link) = self.link(slot) else { return };
        if !link.connected {
            if link.stream.peer_addr().is_err() {
                return;
            }
            link.connected = true;
        }
        while !link.unsent.is_empty() {
            match link.stream.write(&link.unsent) {
                Ok(sent) => drop(link.unsent.drain(..sent)),
                Err(_) => return,
            }
        }
    }

    /// Reads once into `buffer`.
    pub(super) fn read(&mut self, slot: usize, buffer: &mut [u8]) -> Got {
        let Some(link) = self.link(slot) else { return Got::Nothing };
        match link.stream.read(buffer) {
            Ok(0) => Got::End,
            Ok(bytes) => Got::Bytes(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected) => Got::Nothing,
            Err(_) => Got::End,
        }
    }
}

#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;

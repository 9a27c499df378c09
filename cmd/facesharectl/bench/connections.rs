//! The connections and the one thread that serves them: `epoll` through mio, one read buffer for
//! all, no task per connection.

use super::timer::WakeTimer;
use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The read buffer in bytes. Larger than any burst to one connection.
const BUFFER: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// Connections from one source address. The kernel provides about 28,000 ports for each.
const PER_SOURCE: usize = 20_000;
const TIMER: Token = Token(usize::MAX - 1);

/// The use of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// HTTP calls; the index of its slot in the pool.
    Http(usize),
    /// A member's stream before the upgrade is answered; the member's index.
    Opening(usize),
    /// A member's stream; the member's index.
    Stream(usize),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) role: Role,
    connected: bool,
    /// The beginning of an incomplete message.
    pub(super) unread: Vec<u8>,
    /// Bytes that the kernel has not accepted yet.
    unsent: Vec<u8>,
}

/// The result of a read.
pub(super) enum ReadOutcome {
    Bytes(usize),
    Nothing,
    End,
}

/// All connections.
pub(super) struct Connections {
    poll: Poll,
    timer: WakeTimer,
    server: SocketAddr,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    opened: usize,
    /// The read buffer. Taken out while its bytes are processed.
    pub(super) buffer: Vec<u8>,
}

/// The readiness of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readiness {
    pub(super) connection: usize,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Connections {
    pub(super) fn new(server: SocketAddr) -> Result<Self> {
        let poll = Poll::new()?;
        let timer = WakeTimer::new(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            timer,
            server,
            connections: Vec::new(),
            free: Vec::new(),
            opened: 0,
            buffer: vec![0; BUFFER],
        })
    }

    pub(super) fn events() -> Events {
        Events::with_capacity(EVENTS)
    }

    /// Waits for events, at most for `wait`.
    pub(super) fn wait(
        &mut self,
        events: &mut Events,
        ready: &mut Vec<Readiness>,
        wait: Duration,
    ) -> Result<()> {
        let wait = if wait.is_zero() {
            wait
        } else {
            self.timer.set(wait)?
        };
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
        ready.clear();
        ready.extend(
            events
                .iter()
                .filter(|event| event.token() != TIMER)
                .map(|event| Readiness {
                    connection: event.token().0,
                    readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                    writable: event.is_writable(),
                }),
        );
        Ok(())
    }

    /// Begins to connect. Bytes may be sent at once; they leave when it is connected.
    pub(super) fn open(&mut self, role: Role) -> Result<usize> {
        let stream = self.connect().context("cannot connect")?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let mut connection = Connection {
            stream,
            role,
            connected: false,
            unread: Vec::new(),
            unsent: Vec::new(),
        };
        self.poll.registry().register(
            &mut connection.stream,
            Token(slot),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.connections[slot] = Some(connection);
        self.opened += 1;
        Ok(slot)
    }

    fn connect(&self) -> Result<TcpStream> {
        let domain = socket2::Domain::for_address(self.server);
        let socket =
            socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let source = self.opened / PER_SOURCE;
        if source > 0 && self.server.ip().is_loopback() && self.server.is_ipv4() {
            let last = u8::try_from(source + 1).unwrap_or(u8::MAX);
            socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
        }
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error)
                if error.kind() == ErrorKind::WouldBlock
                    || error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    pub(super) fn connection(&mut self, slot: usize) -> Option<&mut Connection> {
        self.connections.get_mut(slot)?.as_mut()
    }

    /// Closes a connection without a close frame.
    pub(super) fn drop_connection(&mut self, slot: usize) {
        if let Some(mut connection) = self.connections.get_mut(slot).and_then(Option::take) {
            // Closing the socket deregisters it as well.
            let _ = self.poll.registry().deregister(&mut connection.stream);
            self.free.push(slot);
        }
    }

    /// Sends what the kernel accepts and keeps the rest.
    pub(super) fn send(&mut self, slot: usize, bytes: &[u8]) {
        let Some(connection) = self.connection(slot) else {
            return;
        };
        let sent_now = if connection.connected && connection.unsent.is_empty() {
            connection.stream.write(bytes).unwrap_or(0)
        } else {
            0
        };
        connection.unsent.extend_from_slice(&bytes[sent_now..]);
    }

    /// Sends the kept bytes.
    pub(super) fn flush(&mut self, slot: usize) {
        let Some(connection) = self.connection(slot) else {
            return;
        };
        if !connection.connected {
            if connection.stream.peer_addr().is_err() {
                return;
            }
            connection.connected = true;
        }
        while !connection.unsent.is_empty() {
            match connection.stream.write(&connection.unsent) {
                Ok(sent) => drop(connection.unsent.drain(..sent)),
                Err(_) => return,
            }
        }
    }

    /// Reads once into `buffer`.
    pub(super) fn read(&mut self, slot: usize, buffer: &mut [u8]) -> ReadOutcome {
        let Some(connection) = self.connection(slot) else {
            return ReadOutcome::Nothing;
        };
        match connection.stream.read(buffer) {
            Ok(0) => ReadOutcome::End,
            Ok(bytes) => ReadOutcome::Bytes(bytes),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
                ) =>
            {
                ReadOutcome::Nothing
            }
            Err(_) => ReadOutcome::End,
        }
    }
}

#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;

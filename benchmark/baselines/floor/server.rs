//! The event loop.

use crate::connection::{Closed, Connection};
use crate::http::{self, Request, Role};
use crate::websocket::{Header, Kind};
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;

const LISTENER: Token = Token(usize::MAX);
/// One buffer serves all connections: the bytes of a read are consumed before the next.
const READ_BUFFER: usize = 64 << 10;

/// The server's state.
#[derive(Debug)]
pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    batch: bool,
    /// Connections by token; a closed one leaves a free slot that the next one fills.
    connections: Vec<Option<Connection>>,
    holes: Vec<usize>,
    /// The tokens of the receivers of each room, by the index in `room_of`.
    rooms: Vec<Vec<usize>>,
    room_of: HashMap<u64, usize>,
    /// Encoded frames to be sent.
    prepared: Vec<u8>,
    /// Receivers whose write failed; dropped after the broadcast.
    failed: Vec<usize>,
}

impl Server {
    /// Listens and prints the address to stdout.
    pub(crate) fn bind(address: SocketAddr, batch: bool) -> std::io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
        Ok(Self {
            poll,
            listener,
            batch,
            connections: Vec::new(),
            holes: Vec::new(),
            rooms: Vec::new(),
            room_of: HashMap::new(),
            prepared: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// Serves until the process is killed.
    pub(crate) fn run(mut self) -> std::io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                done => done?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.serve(event, &mut buffer);
                }
            }
        }
    }

    fn accept(&mut self) -> std::io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let token = self.holes.pop().unwrap_or(self.connections.len());
            // Registered for both from the start: events are edge-triggered, so the interest in
            // writing costs nothing while the socket is writable.
            self.poll.registry().register(
                &mut socket,
                Token(token),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            if token == self.connections.len() {
                self.connections.push(None);
            }
            self.connections[token] = Some(Connection::new(socket));
        }
    }

    fn serve(&mut self, event: &Event, buffer: &mut [u8]) {
        let Token(token) = event.token();
        let outcome = self.advance(token, event, buffer);
        if outcome.is_err() {
            self.forget(token);
        }
        while let Some(token) = self.failed.pop() {
            self.forget(token);
        }
    }

    fn advance(&mut self, token: usize, event: &Event, buffer: &mut [u8]) -> Result<(), Closed> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(());
        };
        if event.is_writable() {
            connection.send_rest()?;
        }
        if !event.is_readable() {
            return Ok(());
        }
        loop {
            let Some(connection) = &mut self.connections[token] else {
                return Ok(());
            };
            let read = connection.read(buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.take(token, &buffer[..read])?;
            // A short read emptied the socket: later bytes cause a new event.
            if read < buffer.len() && !event.is_read_closed() {
                return Ok(());
            }
        }
    }

    /// Processes the bytes of a read, after the incomplete bytes of an earlier one.
    fn take(&mut self, token: usize, bytes: &[u8]) -> Result<(), Closed> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(());
        };
        if connection.unread.is_empty() {
            let consumed = self.consume(token, bytes)?;
            self.keep(token, &bytes[consumed..]);
        } else {
            let mut whole = std::mem::take(&mut connection.unread);
            whole.extend_from_slice(bytes);
            let consumed = self.consume(token, &whole)?;
            self.keep(token, &whole[consumed..]);
        }
        Ok(())
    }

    fn keep(&mut self, token: usize, rest: &[u8]) {
        if let (Some(connection), false) = (&mut self.connections[token], rest.is_empty()) {
            connection.unread = rest.to_vec();
        }
    }

    /// Processes the complete requests and frames at the beginning of `bytes`; returns their
    /// length.
    fn consume(&mut self, token: usize, bytes: &[u8]) -> Result<usize, Closed> {
        let Some(connection) = &mut self.connections[token] else {
            return Ok(0);
        };
        let mut consumed = 0;
        let (role, room) = match connection.membership {
            Some(membership) => membership,
            None => {
                match http::read(bytes) {
                    Request::Incomplete => return Ok(0),
                    Request::Refused => {
                        connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                        return Err(Closed);
                    }
                    Request::Accepted(upgrade) => {
                        connection.send(upgrade.response.as_bytes())?;
                        consumed = upgrade.consumed;
                        self.enter(token, upgrade.role, upgrade.room)
                    }
                }
            }
        };
        while let Some(header) = Header::read(&bytes[consumed..]).map_err(|_| Closed)? {
            let frame = &bytes[consumed..consumed + header.size()];
            consumed += header.size();
            match (header.kind, role) {
                (Kind::Message, Role::Sender) => {
                    header.relay(frame, &mut self.prepared);
                    if !self.batch {
                        self.broadcast(room);
                    }
                }
                (Kind::Ping, _) => self.pong(token, &header, frame)?,
                (Kind::Close, _) => return Err(Closed),
                (Kind::Message, Role::Receiver) | (Kind::Ignored, _) => {}
            }
        }
        self.broadcast(room);
        Ok(consumed)
    }

    /// Writes the encoded frames to every receiver.
    fn broadcast(&mut self, room: usize) {
        if self.prepared.is_empty() {
            return;
        }
        for &receiver in &self.rooms[room] {
            let Some(connection) = &mut self.connections[receiver] else {
                continue;
            };
            if connection.send(&self.prepared).is_err() {
                self.failed.push(receiver);
            }
        }
        self.prepared.clear();
    }

    fn pong(&mut self, token: usize, header: &Header, frame: &[u8]) -> Result<(), Closed> {
        let mut pong = Vec::new();
        header.pong(frame, &mut pong);
        self.connections[token]
            .as_mut()
            .map_or(Ok(()), |connection| connection.send(&pong))
    }

    fn enter(&mut self, token: usize, role: Role, number: u64) -> (Role, usize) {
        let rooms = &mut self.rooms;
        let room = *self.room_of.entry(number).or_insert_with(|| {
            rooms.push(Vec::new());
            rooms.len() - 1
        });
        if role == Role::Receiver {
            rooms[room].push(token);
        }
        if let Some(connection) = &mut self.connections[token] {
            connection.membership = Some((role, room));
        }
        (role, room)
    }

    fn forget(&mut self, token: usize) {
        // Dropped without deregistering: closing the descriptor removes it from epoll.
        let Some(connection) = self.connections[token].take() else {
            return;
        };
        if let Some((Role::Receiver, room)) = connection.membership {
            self.rooms[room].retain(|&receiver| receiver != token);
        }
        self.holes.push(token);
    }
}

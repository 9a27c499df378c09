//! A connection: its socket, its room, and the bytes that the kernel has not accepted yet.

use crate::http::Role;
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};

/// The most bytes that may wait for a receiver; a receiver with more is dropped.
const LARGEST_BACKLOG: usize = 4 << 20;

/// The connection has ended.
#[derive(Debug)]
pub(crate) struct Closed;

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    /// `None` until it is upgraded.
    pub(crate) membership: Option<(Role, usize)>,
    /// The beginning of an incomplete request or frame. Usually empty.
    pub(crate) unread: Vec<u8>,
    /// Bytes that the full socket did not accept. Usually empty.
    unsent: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            membership: None,
            unread: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Writes `bytes`, and keeps what the socket does not accept.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        let written = if self.unsent.is_empty() {
            write(&mut self.socket, bytes)?
        } else {
            0
        };
        if written < bytes.len() {
            if self.unsent.len() + bytes.len() > LARGEST_BACKLOG {
                return Err(Closed);
            }
            self.unsent.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Writes the kept bytes, when the socket is writable again.
    pub(crate) fn send_rest(&mut self) -> Result<(), Closed> {
        while !self.unsent.is_empty() {
            let written = write(&mut self.socket, &self.unsent)?;
            if written == 0 {
                return Ok(());
            }
            self.unsent.drain(..written);
        }
        self.unsent = Vec::new();
        Ok(())
    }

    /// Reads once; 0 if no bytes are available.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Closed> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Closed),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed),
            }
        }
    }
}

/// Writes once; 0 if the socket is full.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<usize, Closed> {
    loop {
        match socket.write(bytes) {
            Ok(written) => return Ok(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Closed),
        }
    }
}

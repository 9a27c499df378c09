//! A connection: its socket, its place, and what the kernel would not take yet.

use crate::http::Role;
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};

/// Bytes that wait for a receiver; one that lets more pile up is dropped.
const LARGEST_BACKLOG: usize = 4 << 20;

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Gone;

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    /// `None` until it is upgraded.
    pub(crate) place: Option<(Role, usize)>,
    /// The beginning of a request or frame whose end has not arrived. Seldom anything.
    pub(crate) unread: Vec<u8>,
    /// What the socket was too full for. Seldom anything.
    unsent: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, place: None, unread: Vec::new(), unsent: Vec::new() }
    }

    /// Writes `bytes`, and keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let written = if self.unsent.is_empty() { write(&mut self.socket, bytes)? } else { 0 };
        if written < bytes.len() {
            if self.unsent.len() + bytes.len() > LARGEST_BACKLOG {
                return Err(Gone);
            }
            self.unsent.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Writes what was kept, when the socket has room again.
    pub(crate) fn send_rest(&mut self) -> Result<(), Gone> {
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

    /// Reads once; 0 when nothing is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Gone> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Gone),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }
}

/// One write; 0 when the socket is full.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<usize, Gone> {
    loop {
        match socket.write(bytes) {
            Ok(written) => return Ok(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Gone),
        }
    }
}

//! The price of the system call: a broadcast server on one thread that does nothing else.
//!
//! `GET /room/<n>?role=sender|receiver` upgrades to a WebSocket. A binary message of a sender goes as it is to all receivers of its room: one
//! frame, prepared once, written to each socket straight from the event that read it. Pings are answered, all else is ignored. No server
//! with features can deliver for less; how much more it takes is what its features cost.

mod connection;
mod http;
mod server;
mod websocket;

use clap::Parser;
use std::net::SocketAddr;

/// The broadcast floor.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9300")]
    listen: SocketAddr,
    /// Write the frames of a sender that arrived together in one go, instead of one by one.
    #[arg(long)]
    batch: bool,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    server::Server::bind(args.listen, args.batch)?.run()
}

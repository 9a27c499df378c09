//! The cost of the system calls: a minimal broadcast server on one thread.
//!
//! `GET /room/<n>?role=sender|receiver` upgrades to a WebSocket. A binary message of a sender goes
//! unchanged to all receivers of its room: one frame, prepared once, written to each socket
//! directly from the event that read it. Pings are answered, all else is ignored. No server with
//! features can deliver at a lower cost; the difference is the cost of its features.

mod connection;
mod http;
mod server;
mod websocket;

use clap::Parser;
use std::net::SocketAddr;

/// The minimal broadcast server.
#[derive(Debug, Parser)]
struct FloorArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9300")]
    listen: SocketAddr,
    /// Write the frames of a sender that arrived together with one call instead of one by one.
    #[arg(long)]
    batch: bool,
}

fn main() -> std::io::Result<()> {
    let args = FloorArgs::parse();
    server::Server::bind(args.listen, args.batch)?.run()
}

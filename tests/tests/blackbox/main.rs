//! Everything that is proven from outside: over real sockets, against the programs as they are
//! built.

mod authority;
mod ctl;
mod databases;
mod deployment;
mod documents;
mod durability;
mod foreign;
mod http;
mod layering;
mod operation;
mod readme;
mod rough;
mod startup;
mod stream;
mod tls;

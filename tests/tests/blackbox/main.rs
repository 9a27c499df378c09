//! Tests of the built programs over real sockets.

mod architecture;
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

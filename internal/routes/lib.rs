//! The transports over the use cases: HTTP, gRPC, and the WebSocket instruction stream.
//!
//! A handler turns a request into domain input, calls one use case, and turns the outcome into a
//! response. Every error, in a handler or before it, reaches the client as one shape of problem
//! document ([`e::http`]).

pub mod e;
pub mod extract;
pub mod httpcontroller;
pub mod json;
pub mod links;
pub mod middleware;
pub mod openapi;
pub mod paths;
pub mod responses;
mod router;
pub mod rpchandler;
mod schemas;
mod state;
mod text;
mod unreadable;
pub mod websocketcontroller;

pub use axum::Router;
pub use extract::UploadLimits;
pub use httpcontroller::classic::ClassicRules;
pub use httpcontroller::ops::{JobStatus, Ops, ReadinessCheck};
pub use links::{LinkSettings, Links};
pub use middleware::observe::Observer;
pub use middleware::origins::AllowedOrigins;
pub use middleware::rate::{AccountLimits, AddressLimits, AddressRates};
pub use middleware::unread_body::DiscardUnread;
pub use network::{
    LocalMachine, NetworkKey, ProxyFault, TrustedProxies, address_key, network_key, prefix_key,
};
pub use router::{HttpPolicy, app, ops};
pub use state::AppState;
pub use unreadable::ProblemResponses;

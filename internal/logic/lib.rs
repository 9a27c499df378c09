//! The use cases: what a caller may do and what follows from it. They depend on the domain and its
//! ports, never on an adapter.

pub mod account;
pub mod event;
pub mod facesession;
#[cfg(test)]
mod fakes;
pub mod idempotency;
pub mod instruction;
mod text;

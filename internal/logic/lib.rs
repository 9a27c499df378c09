//! The use cases: what may be done, by whom, and what follows from it. They know the domain and its ports, and no adapter.

pub mod account;
pub mod facesession;
#[cfg(test)]
mod fakes;
pub mod idempotency;
pub mod instruction;
mod text;

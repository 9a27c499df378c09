//! Calls that take effect once though they are sent again: what is remembered of them.

mod port;

pub use port::{AnswerRepository, Reservation, Reserved};

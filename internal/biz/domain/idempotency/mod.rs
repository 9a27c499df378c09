//! Idempotent calls: the stored reservations and answers.

mod port;

pub use port::{AnswerRepository, Reservation, Reserved};

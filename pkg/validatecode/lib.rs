//! Number codes: short numbers that people read out to each other.
//!
//! - [`Code`] is a well-formed code as somebody typed it, spaces and hyphens removed;
//! - [`is_allocatable`] tells whether a code has the shape that [`generate`] gives: no leading zero,
//!   no digit three times in a row, no run of four up or down, no palindrome, no repeated block;
//! - [`CodeLength::for_live`] says how long codes must be so that guessing stays hopeless.
//!
//! The two shapes are kept apart on purpose: a look-up must treat a code that could never have been
//! allocated like any other that is not in use.

mod code;
mod generate;
mod length;
mod shape;

pub use code::{Code, MAX_INPUT_CHARS, ShapeError, normalize};
pub use generate::generate;
pub use length::{CodeLength, LengthError, MAX_LEN, MIN_LEN, length_for};
pub use shape::{is_allocatable, is_well_formed};

//! Number codes: short numbers that people read out to each other.
//!
//! - [`Code`] is a well-formed code as a person typed it, without spaces and hyphens;
//! - [`is_allocatable`] says whether a code has the shape that [`generate`] produces: no leading
//!   zero, no digit three times in a row, no run of four up or down, no palindrome, no repeated
//!   block;
//! - [`CodeLength::for_live`] says how long codes must be so that guessing fails.
//!
//! The two shapes are separate on purpose: a look-up must treat a code that can never be allocated
//! like any other code that is not in use.

mod code;
mod generate;
mod length;
mod shape;

pub use code::{Code, MAX_INPUT_CHARS, ShapeError, normalize};
pub use generate::generate;
pub use length::{CodeLength, LengthError, MAX_LEN, MIN_LEN, length_for};
pub use shape::{is_allocatable, is_well_formed};

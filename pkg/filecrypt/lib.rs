//! Files at rest: encrypted in chunks that can be read from any place, and that are never read
//! changed.
//!
//! A file is cut into chunks of [`CHUNK_LEN`] bytes; the last one is shorter, or empty for an empty
//! file. Each chunk is sealed with AES-256-GCM under STREAM (Hoang, Reyhanitabar, Rogaway, Vizár
//! 2015): its nonce holds its number and whether it is the last one. What is stored is the sealed
//! chunks, one after the other, each [`TAG_LEN`] bytes longer than its plaintext. So every change
//! of a byte, every chunk that is dropped, moved or taken from elsewhere, and an end that is cut
//! off, is an error when it is read.
//!
//! Each file has a key of its own: `HMAC-SHA256(data key, label ‖ file id)`. The [`FileId`] is 128
//! random bits, and [`encrypt`] uses up the [`NewFileId`] that it is given. So no two files are
//! sealed under one key and nonce, and the chunks of a file cannot pass for those of another. Store
//! the file under its id.
//!
//! - [`encrypt`] turns a stream of plaintext into a stream of what is stored;
//! - [`Window`] says which stored bytes a range of the plaintext needs, and
//!   [`Window::decrypt`] turns them into plaintext;
//! - [`stored_len`] and [`plain_len`] convert lengths.
//!
//! Both streams hold one chunk in memory, whatever the length of the file.

mod decrypt;
mod encrypt;
mod id;
mod key;
mod layout;

pub use decrypt::DecryptError;
pub use encrypt::encrypt;
pub use id::{FileId, NewFileId, NotAFileId};
pub use key::DATA_KEY_LEN;
pub use layout::{CHUNK_LEN, TAG_LEN, Window, plain_len, stored_len};

//! The HTTP handlers. Each file holds one call: its request, its response, its handler and the
//! handler's documentation.

pub mod account;
pub mod classic;
pub mod docs;
pub mod facesession;
pub mod landing;
pub mod ops;

//! The HTTP calls, one file each: the request, the response, the handler, its documentation.

pub mod account;
pub mod classic;
pub mod docs;
pub mod facesession;
pub mod landing;
pub mod ops;

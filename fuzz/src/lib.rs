//! What the fuzz targets do with their bytes. Each module is a target.
//!
//! A target panics where something is wrong, which is how libFuzzer learns of it.

pub mod answers;
pub mod app;
pub mod documents;
pub mod headers;
pub mod http1;
pub mod multipart;
pub mod query;
pub mod requests;
pub mod sse;
pub mod streams;
pub mod walker;

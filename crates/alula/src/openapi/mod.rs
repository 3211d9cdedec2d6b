//! The OpenAPI 3.1 document, made from the signatures of the endpoints.

mod components;
mod document;
mod operation;

pub(crate) use document::{Document, Tag};
pub use operation::{Operation, Place, Root};
pub(crate) use operation::{Plan, Security};

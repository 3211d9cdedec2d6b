//! The OpenAPI 3.1 document, made from the signatures of the endpoints.

mod components;
mod document;
mod generated;
mod operation;
mod plan;
mod security;
#[cfg(feature = "ws")]
mod socket;

pub(crate) use document::{Document, Tag};
#[cfg(feature = "ws")]
pub(crate) use generated::schema_of;
pub use operation::{Operation, Place, Root};
pub(crate) use plan::Plan;
pub(crate) use security::Presence;

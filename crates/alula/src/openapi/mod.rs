//! The OpenAPI 3.1 document, made from the signatures of the endpoints.

mod about;
mod body;
mod components;
mod document;
mod failure;
mod generated;
mod job;
#[cfg(feature = "mcp")]
mod mcp;
mod names;
mod operation;
mod plan;
mod response;
mod security;
#[cfg(feature = "ws")]
mod socket;

pub use about::{Contact, Example, License};
pub(crate) use about::{link, merge};
pub(crate) use document::{Document, Tag, insert};
#[cfg(feature = "ws")]
pub(crate) use generated::schema_of;
#[cfg(feature = "mcp")]
pub(crate) use generated::{Contract, Generated};
pub use names::OperationName;
pub(crate) use names::{NameOperation, OperationIds};
pub(crate) use operation::DEFAULT;
pub use operation::{Operation, Place, Root};
pub(crate) use plan::Plan;
pub(crate) use security::Presence;

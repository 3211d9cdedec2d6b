//! What endpoints depend on.

mod auth;
mod host;

pub(crate) use self::{auth::caller, host::this_machine};

//! What endpoints depend on.

mod auth;
mod host;
mod once;
mod shown;

pub(crate) use self::{
    auth::{WithoutKeys, administrator, caller, mcp_access},
    host::this_machine,
    once::executed_once,
};

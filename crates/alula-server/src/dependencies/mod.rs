//! What endpoints depend on.

mod auth;
mod host;
mod shown;

pub(crate) use self::{
    auth::{WithoutKeys, administrator, caller},
    host::this_machine,
};

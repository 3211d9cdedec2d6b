//! What endpoints depend on.

mod host;

pub(crate) use host::this_machine;

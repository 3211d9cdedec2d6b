//! MCP beside what the server offers: how other programs are told of a server.

pub(crate) mod bundle;
pub(crate) mod install;

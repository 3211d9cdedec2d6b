//! The endpoints, by what they are about.

pub(crate) mod chat;
pub(crate) mod compatible;
pub(crate) mod health;

//! The endpoints, by what they are about.

pub(crate) mod chat;
pub(crate) mod health;

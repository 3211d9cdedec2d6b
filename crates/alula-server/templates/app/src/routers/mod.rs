//! The endpoints, by what they are about.

pub mod chat;
pub mod health;
pub mod items;

//! The crate from outside.

mod extract;

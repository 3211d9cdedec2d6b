//! Test doubles: recorded traffic, to test against real answers without a network.

mod cassette;
mod diff;
mod yaml;

pub use cassette::{Cassettes, Interaction, LoadError, Miss};
pub use diff::{Difference, canonical};

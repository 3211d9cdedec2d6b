//! Test doubles: recorded traffic, to test against real answers without a network.

mod cassette;
mod conformance;
mod diff;
mod request;
mod yaml;

pub use cassette::{Cassettes, Interaction, LoadError, Miss};
pub use conformance::{Outcome, check};
pub use diff::{Difference, canonical};
pub use request::canonical_request;

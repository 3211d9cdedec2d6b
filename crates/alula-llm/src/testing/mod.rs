//! Test doubles: recorded traffic, to test against real answers without a network.
//!
//! [`Cassettes`] are the recordings, found by what was asked; [`check`] puts one of them through the
//! adapter of its protocol and says what is lost.

mod cassette;
mod conformance;
mod diff;
mod request;
#[expect(dead_code, reason = "the fakes that use it come next")]
mod server;
mod yaml;

pub use cassette::{Cassettes, Interaction, LoadError, Miss};
pub use conformance::{Outcome, check};
pub use diff::{Difference, canonical};
pub use request::canonical_request;

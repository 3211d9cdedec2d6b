//! Test doubles: providers that say what a test tells them to, and recorded traffic.
//!
//! [`FakeProvider`] is a server on this machine that speaks every provider's format and can fail in
//! every way; [`FakeModel`] plays the same scripts without a network; [`assert_sent!`] looks at what
//! they were sent.
//!
//! [`Cassettes`] are the recordings, found by what was asked; [`check`] puts one of them through the
//! adapter of its protocol and says what is lost.

mod cassette;
mod conformance;
mod diff;
mod fake;
mod request;
mod server;
mod yaml;

pub use cassette::{Cassettes, Interaction, LoadError, Miss};
pub use conformance::{Outcome, check};
pub use diff::{Difference, canonical};
#[doc(hidden)]
pub use fake::__check_sent;
pub use fake::{FakeModel, FakeProvider, Fault, Pieces, Sent, Turn};
pub use request::canonical_request;
#[doc(hidden)]
pub use serde_json::json as __json;

#[doc(inline)]
pub use crate::__assert_sent as assert_sent;

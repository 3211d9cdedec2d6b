//! Test doubles: providers that say what a test tells them to, and recorded traffic.
//!
//! [`FakeProvider`] is a server on this machine that speaks every provider's format and can fail in
//! every way; [`FakeModel`] plays the same scripts without a network; [`assert_sent!`] looks at what
//! they were sent.
//!
//! A [`Cassette`] records the calls of a test and replays them to any client. [`Cassettes`] are the
//! recordings of a whole folder, found by what was asked; [`check`] puts one of them through the
//! adapter of its protocol and says what is lost.

mod audit;
mod cassette;
mod cassettes;
mod conformance;
mod diff;
mod encoding;
mod fake;
mod format;
mod interaction;
mod load;
mod matching;
mod media;
mod miss;
mod pointer;
mod request;
mod server;
mod vcr;
mod yaml;

pub use cassette::{Cassette, CassetteBuilder, CassetteError, Mode};
pub use cassettes::Cassettes;
pub use conformance::{Outcome, check};
pub use diff::{Difference, canonical};
#[doc(hidden)]
pub use fake::__check_sent;
pub use fake::{FakeModel, FakeProvider, Fault, Pieces, Sent, Turn};
pub use interaction::{Arrival, End, Interaction};
pub use load::LoadError;
pub use miss::Miss;
pub use request::canonical_request;
#[doc(hidden)]
pub use serde_json::json as __json;

#[doc(inline)]
pub use crate::__assert_sent as assert_sent;

//! What endpoints work with.

mod echo;

use futures_util::stream::BoxStream;

pub use self::echo::Echo;
use crate::error::Error;

/// A language model.
///
/// [`Echo`] stands in for a real one, so that the application works without a key. To ask a
/// provider, implement this over its client and make that one in `lib.rs`.
pub trait Model: Send + Sync {
    /// Begins an answer, which comes in pieces.
    fn answer(&self, message: String) -> Result<BoxStream<'static, String>, Error>;
}

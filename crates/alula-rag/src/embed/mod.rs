//! Turning texts into vectors.

mod cached;
mod hashing;
mod llm;

use std::{error::Error as StdError, fmt::Debug};

use alula_llm::model::{Purpose, Vectors};
use async_trait::async_trait;

pub use self::{cached::Cached, hashing::Hashing, llm::LlmEmbedder};

/// A model that makes vectors of texts: near ones of texts that mean similar things.
#[async_trait]
pub trait Embedder: Debug + Send + Sync + 'static {
    /// Which model it is. Vectors of two with the same name can be compared, so let it say all that
    /// matters for that, such as the number of dimensions where that was asked for.
    fn model(&self) -> &str;

    /// How many numbers its vectors have, if that is known before there are any.
    fn dimensions(&self) -> Option<u32> {
        None
    }

    /// The vectors of these texts, in their order.
    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError>;
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] alula_llm::Error),
    /// It may not be asked now, for whatever reason the [`Embedder`] has; the same call may be let in
    /// another time.
    #[error("{0}")]
    Refused(#[source] Box<dyn StdError + Send + Sync>),
    /// It gave more or fewer vectors than there were texts.
    #[error("{vectors} vectors were made of {texts} texts")]
    Count {
        /// How many texts.
        texts: usize,
        /// How many vectors.
        vectors: usize,
    },
    /// Its vectors are not as long as they should be.
    #[error("the vectors have {found} numbers and not {expected}")]
    Dimensions {
        /// How many numbers they should have.
        expected: u32,
        /// How many they have.
        found: usize,
    },
}

impl EmbedError {
    /// Whether the same call may work in a moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Model(error) if error.is_retryable())
    }
}

/// Whether a model has answered what it was asked.
fn check(texts: usize, dimensions: Option<u32>, vectors: &Vectors) -> Result<(), EmbedError> {
    if vectors.len() != texts {
        return Err(EmbedError::Count { texts, vectors: vectors.len() });
    }
    match dimensions {
        Some(expected)
            if texts > 0 && usize::try_from(expected).ok() != Some(vectors.dimensions()) =>
        {
            Err(EmbedError::Dimensions { expected, found: vectors.dimensions() })
        }
        _ => Ok(()),
    }
}

/// What a chunk is searched by: its headings, a line each, and its text behind them.
///
/// Give this to an [`Embedder`], so that a chunk is found by what it stands under too.
///
/// ```
/// let text = alula_rag::under_headings(&["Birds".to_owned()], "They fly.");
/// assert_eq!(text, "Birds\nThey fly.");
/// ```
pub fn under_headings(headings: &[String], text: &str) -> String {
    headings.iter().map(String::as_str).chain([text]).collect::<Vec<_>>().join("\n")
}

//! What is found.

use crate::{Attributes, Chunk, ChunkId, ChunkKey, EmbedError, Span, StoreError};

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// By what it was found.
    pub mode: SearchMode,
    /// The hits, the best first.
    pub hits: Vec<Hit>,
    /// Whether there are more behind them.
    pub has_more: bool,
    /// Why it was not found by vectors, where it should have been.
    pub fallback: Option<EmbedError>,
    /// How many documents of the collection have no vectors of the model, where it was searched by
    /// such: they are found by their words, and not at all in the mode `vector`.
    pub unembedded: u64,
}

/// By what chunks were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchMode {
    /// By their words.
    Keyword,
    /// By their vectors.
    Vector,
    /// By both.
    Hybrid,
}

impl SearchMode {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Vector => "vector",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Its name.
    pub id: ChunkId,
    /// Where the store has it.
    pub key: ChunkKey,
    /// Which document it is of.
    pub document: String,
    /// What the file of that is called.
    pub filename: String,
    /// The attributes of the document.
    pub attributes: Attributes,
    /// The chunk.
    pub chunk: Chunk,
    /// How good it is, up to 1: the weighted mean of how much of the query its words are, by how
    /// often it has them (bm25), and of where it lies between the farthest and the nearest vector
    /// that were found.
    pub score: f32,
    /// How near it is to the query by its vector, if it was found by that: the cosine.
    pub similarity: Option<f32>,
    /// How much of the query its words are, by what they tell, from 0 to 1, if it was found by
    /// them.
    pub coverage: Option<f32>,
    /// Where its text has words of the query.
    pub highlights: Vec<Span>,
}

/// Why a search came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query is none.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be searched by vectors here.
    #[error("{0}")]
    NoVectors(&'static str),
    /// The vector of the query could not be made.
    #[error("the query could not be embedded: {0}")]
    Embed(#[from] EmbedError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SearchError {
    /// Whether the same search may work in a moment.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => error.is_temporary(),
            Self::Embed(error) => error.is_temporary(),
            Self::Invalid(_) | Self::NoVectors(_) => false,
        }
    }
}

//! What is searched for, and how.

use super::{Filter, SearchError};

/// How many hits of a search can be turned over, from the first on. It is the same for all pages, so
/// that they are pages of one list.
pub const WINDOW: u32 = 200;
/// How many texts a query may have.
pub const TEXTS_MAX: usize = 8;
/// How many bytes they may have together.
pub const QUERY_BYTES_MAX: usize = 16 << 10;

/// What to search for.
///
/// ```
/// use alula_rag::search::{Mode, Query};
///
/// let query = Query { limit: 5, mode: Mode::Keyword, ..Query::new("What is an alula?") };
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The question, or several ways to ask it.
    pub texts: Vec<String>,
    /// How many hits, at most.
    pub limit: u32,
    /// How many of the best are left out, as they were on the pages before.
    pub offset: u32,
    /// By what.
    pub mode: Mode,
    /// In which documents.
    pub selection: Selection,
    /// Which [score](super::Hit::score) a hit has at least.
    pub score_min: f32,
    /// How much words and vectors count.
    pub weights: Weights,
}

/// By what chunks are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// By words and by vectors; by words alone where there are no vectors, or no way to make that
    /// of the query now.
    #[default]
    Auto,
    /// By words.
    Keyword,
    /// By vectors; it fails where that cannot be done.
    Vector,
    /// By words and by vectors; it fails where that cannot be done.
    Hybrid,
}

/// In which documents of a collection is searched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// What their attributes are.
    pub filter: Option<Filter>,
    /// Whether those are among them that are archived.
    pub include_archived: bool,
    /// Which they are; any where this is nothing.
    pub documents: Option<Vec<String>>,
}

impl Selection {
    /// Whether it leaves out more than what is archived.
    pub(crate) fn is_narrow(&self) -> bool {
        self.filter.is_some() || self.documents.is_some()
    }
}

/// How much the scores of each list count; by default vectors twice as much as words, which is
/// where `cargo xtask bench retrieval` finds most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// By words.
    pub keyword: f32,
    /// By vectors.
    pub vector: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { keyword: 0.5, vector: 1.0 }
    }
}

impl Query {
    /// The first ten hits for a question.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            texts: vec![text.into()],
            limit: 10,
            offset: 0,
            mode: Mode::Auto,
            selection: Selection::default(),
            score_min: 0.0,
            weights: Weights::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), SearchError> {
        let invalid = |reason: String| Err(SearchError::Invalid(reason));
        let bytes: usize = self.texts.iter().map(String::len).sum();
        if self.texts.is_empty() || self.texts.len() > TEXTS_MAX {
            return invalid(format!("a query has between 1 and {TEXTS_MAX} texts"));
        }
        if bytes > QUERY_BYTES_MAX {
            return invalid(format!("a query of {bytes} bytes is longer than {QUERY_BYTES_MAX}"));
        }
        if self.limit == 0 || self.offset.saturating_add(self.limit) > WINDOW {
            return invalid(format!("limit is 1 at least, and with the offset {WINDOW} at most"));
        }
        let weights = [self.weights.keyword, self.weights.vector];
        if weights.iter().any(|it| !(0.0..=1e6).contains(it)) || weights == [0.0, 0.0] {
            return invalid("weights are 0 or more, and one of them more than 0".to_owned());
        }
        if self.score_min.is_nan() {
            return invalid("the least score is no number".to_owned());
        }
        Ok(())
    }
}

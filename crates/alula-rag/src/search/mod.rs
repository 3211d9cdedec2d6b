//! Finding chunks by their words and by what they mean.

mod filter;
mod found;
mod fuse;
mod query;
mod rank;
mod searcher;
mod words;

pub use self::{
    filter::{
        Comparison, FILTER_COMPARISONS_MAX, FILTER_DEPTH_MAX, FILTER_VALUES_MAX, Filter,
        FilterError,
    },
    found::{Found, Hit, SearchError, SearchMode},
    query::{Mode, QUERY_BYTES_MAX, Query, Selection, TEXTS_MAX, WINDOW, Weights},
    searcher::Searcher,
    words::{Word, query_words, words},
};

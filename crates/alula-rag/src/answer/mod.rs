//! Answers from documents: what a model is asked, and what it cites.

mod citation;
mod passage;
mod prompt;

pub use self::{
    citation::{Answered, Citation, CitationReader, Piece},
    passage::{Passage, PassageLimits, passages},
    prompt::{NOT_IN_DOCUMENTS, Prompt, prompt},
};

//! Parts of texts, as clients see them.

use alula_rag::Span;
use schemars::JsonSchema;
use serde::Serialize;

/// A part of a text, in characters (Unicode scalar values): from the first to the one behind the
/// last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Place {
    start: usize,
    end: usize,
}

impl From<Span> for Place {
    fn from(Span { start, end }: Span) -> Self {
        Self { start, end }
    }
}

use std::io;

use serde::{Deserialize, Serialize};

/// Why there is no text of a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// It is for the document: another attempt would be in vain.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is for the machine, and may work in a moment.
    #[error("the document cannot be read now: {0}")]
    Machine(#[source] io::Error),
}

impl ExtractError {
    /// Whether another attempt would be in vain.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// A stable name of the reason: that of [`Unreadable::code`], or `extraction_unavailable`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(reason) => reason.code(),
            Self::Machine(_) => "extraction_unavailable",
        }
    }
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unreadable {
    /// It is encrypted.
    #[error("the document is encrypted; remove its password, and send it again")]
    Encrypted,
    /// Nothing in it is text.
    #[error(
        "the document has no text that can be read: it may be scanned, encrypted or only pictures"
    )]
    NoText,
    /// It is of another kind than it was taken for.
    #[error("the document is {0}")]
    WrongKind(String),
    /// It breaks the rules of its format.
    #[error("the document is damaged: {0}")]
    Damaged(String),
    /// It, or what is in it, is too large.
    #[error("the {what} has more than {limit} {unit}")]
    TooLarge {
        /// What of it.
        what: String,
        /// How much of that there may be.
        limit: u64,
        /// Of what.
        unit: String,
    },
    /// It took too long.
    #[error("the document took longer than {0} seconds to be read")]
    TookTooLong(u64),
    /// It took too much memory.
    #[error("the document needs more than {} MiB of memory to be read", .0 >> 20)]
    OutOfMemory(u64),
    /// What reads it has failed on it, with what it said.
    #[error("the document cannot be read: {0}")]
    Crashed(String),
}

impl Unreadable {
    /// A stable name of the reason: `encrypted`, `encrypted_or_no_text`, `wrong_kind`, `damaged`,
    /// `too_large`, `took_too_long`, `out_of_memory` or `crashed`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::NoText => "encrypted_or_no_text",
            Self::WrongKind(_) => "wrong_kind",
            Self::Damaged(_) => "damaged",
            Self::TooLarge { .. } => "too_large",
            Self::TookTooLong(_) => "took_too_long",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::Crashed(_) => "crashed",
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
    pub(super) fn damaged(what: impl ToString) -> Self {
        Self::Damaged(excerpt(&what.to_string()))
    }

    pub(super) fn too_large(what: &str, limit: u64, unit: &str) -> Self {
        Self::TooLarge { what: what.to_owned(), limit, unit: unit.to_owned() }
    }
}

/// How much is kept of what a library says of a document, which may quote it.
const EXCERPT_BYTES_MAX: usize = 300;

/// The beginning of a text, in one line.
pub(super) fn excerpt(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(EXCERPT_BYTES_MAX)).unwrap_or_default();
    let words: Vec<&str> =
        text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
    words.join(" ").trim().to_owned()
}

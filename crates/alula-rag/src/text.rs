//! The text of a document, and the parts of it that are found and cited.

use serde::{Deserialize, Serialize};

/// A part of a text: from its first character to the one behind its last.
///
/// It counts characters as Python does (Unicode scalar values), and neither bytes nor UTF-16 units,
/// so that `text[span.start:span.end]` is what is cited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it has ended.
    pub end: usize,
}

/// What is in a document, as text.
///
/// Tables, lists and headings are written as in Markdown. Lines end with LF.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// All of its text.
    pub text: String,
    /// What the document says that it is called.
    pub title: Option<String>,
    /// Where its pages begin, of a document that has pages, in their order.
    pub pages: Vec<Page>,
    /// Where its headings are, in their order.
    pub headings: Vec<Heading>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its number; the first is 1.
    pub number: u32,
    /// Its first character.
    pub start: usize,
}

/// Where a heading is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Its first character.
    pub start: usize,
    /// 1 for the highest.
    pub level: u8,
    /// What it says.
    pub text: String,
}

/// A part of a document that is embedded, indexed, found and cited as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its place among those of its document; the first is 0.
    pub ordinal: u32,
    /// What it says: what stands at its span.
    pub text: String,
    /// Where it stands in the extracted text.
    pub span: Span,
    /// On which page it begins, of a document that has pages.
    pub page: Option<u32>,
    /// Under which headings it stands, the highest first.
    pub headings: Vec<String>,
    /// How many tokens it has, as models count them.
    pub tokens: u32,
}

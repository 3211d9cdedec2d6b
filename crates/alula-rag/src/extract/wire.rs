//! What the two processes tell each other.
//!
//! The request is an argument in JSON, and the document the standard input. The answer is a line of
//! JSON, and behind it the text, whose length that line tells.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{ExtractLimits, Unreadable};
use crate::{Extracted, Heading, Kind, Page};

/// How long the line may be: a text of headings alone, with what JSON adds.
pub(super) const HEAD_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// How many bytes the document has.
    pub(super) bytes: u64,
    pub(super) limits: ExtractLimits,
}

/// The line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Head {
    Text { bytes: u64, title: Option<String>, pages: Vec<Page>, headings: Vec<Heading> },
    Unreadable(Unreadable),
}

/// Writes an answer.
pub(super) fn write(answer: Result<Extracted, Unreadable>, mut to: impl Write) -> io::Result<()> {
    let (head, text) = match answer {
        Ok(Extracted { text, title, pages, headings }) => {
            (Head::Text { bytes: text.len() as u64, title, pages, headings }, text)
        }
        Err(reason) => (Head::Unreadable(reason), String::new()),
    };
    let mut line = serde_json::to_vec(&head)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.write_all(text.as_bytes())?;
    to.flush()
}

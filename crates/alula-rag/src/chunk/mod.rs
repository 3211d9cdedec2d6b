//! Cuts a text into the parts that are embedded, found and cited.

mod atoms;
mod place;

use std::collections::VecDeque;

use alula_llm::estimate_tokens;

use self::{
    atoms::{Atom, Atoms, Cut},
    place::Places,
};
use crate::{Chunk, Extracted, Span, store::CHUNK_BYTES_MAX};

/// Cuts texts into chunks of about the same number of tokens, where they may be cut best.
///
/// A chunk ends in front of a heading or between paragraphs, lines, sentences or words, in this
/// order, and is at least half full unless a heading or the end follows. The next one repeats the
/// end of it, so that what stands at the border is found in its context; behind a heading nothing
/// is repeated. Tokens are counted as [`estimate_tokens`] does.
///
/// ```
/// use alula_rag::{Chunker, Extracted};
///
/// let text = "Wings carry. Tails steer. ".repeat(100);
/// let extracted = Extracted { text, ..Extracted::default() };
/// let chunks: Vec<_> = Chunker::new(100, 20)?.chunks(&extracted).collect();
/// assert!(chunks.iter().all(|chunk| chunk.tokens <= 100));
/// assert!(chunks[1].span.start < chunks[0].span.end);
/// # Ok::<(), alula_rag::ChunkerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunker {
    tokens_max: u32,
    overlap_tokens: u32,
}

/// Why texts cannot be cut like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkerError {
    /// A chunk would be too small or too large.
    #[error(
        "a chunk may have {} to {} tokens, and not {tokens_max}",
        Chunker::TOKENS_MIN,
        Chunker::TOKENS_MAX
    )]
    Size {
        /// How many tokens a chunk would have.
        tokens_max: u32,
    },
    /// Chunks would repeat too much.
    #[error("chunks may repeat at most half of {tokens_max} tokens, and not {overlap_tokens}")]
    Overlap {
        /// How many tokens a chunk would have.
        tokens_max: u32,
        /// How many would be repeated.
        overlap_tokens: u32,
    },
}

/// 800 tokens, of which 400 are repeated, as OpenAI has it.
impl Default for Chunker {
    fn default() -> Self {
        Self { tokens_max: 800, overlap_tokens: 400 }
    }
}

impl Chunker {
    /// How small the largest chunk may be.
    pub const TOKENS_MIN: u32 = 100;
    /// How large it may be.
    pub const TOKENS_MAX: u32 = 4_096;

    /// Makes chunks of at most so many tokens, which repeat up to so many of the one before.
    ///
    /// # Errors
    ///
    /// If a chunk would have fewer than 100 or more than 4,096 tokens, or more than half of it
    /// would be repeated. These are the limits of OpenAI.
    pub fn new(tokens_max: u32, overlap_tokens: u32) -> Result<Self, ChunkerError> {
        if !(Self::TOKENS_MIN..=Self::TOKENS_MAX).contains(&tokens_max) {
            return Err(ChunkerError::Size { tokens_max });
        }
        if overlap_tokens > tokens_max / 2 {
            return Err(ChunkerError::Overlap { tokens_max, overlap_tokens });
        }
        Ok(Self { tokens_max, overlap_tokens })
    }

    /// How many tokens a chunk has at most.
    pub fn tokens_max(&self) -> u32 {
        self.tokens_max
    }

    /// How many tokens of the one before it a chunk repeats at most.
    pub fn overlap_tokens(&self) -> u32 {
        self.overlap_tokens
    }

    /// Cuts a text, as far as it is asked for. It takes time in proportion to its length, and
    /// memory for one chunk.
    pub fn chunks<'a>(&self, extracted: &'a Extracted) -> Chunks<'a> {
        let tokens_max = u64::from(self.tokens_max);
        Chunks {
            text: &extracted.text,
            // Four at least fit into a chunk, two into what is not repeated.
            atoms: Atoms::new(&extracted.text, &extracted.headings, tokens_max / 4),
            window: VecDeque::new(),
            tokens: 0,
            bytes: 0,
            repeated: 0,
            next: None,
            places: Places::new(extracted),
            ordinal: 0,
            tokens_max,
            overlap_tokens: u64::from(self.overlap_tokens),
        }
    }
}

/// The chunks of a text, in their order.
#[derive(Debug)]
pub struct Chunks<'a> {
    text: &'a str,
    atoms: Atoms<'a>,
    /// The pieces that the next chunk may have.
    window: VecDeque<Atom>,
    /// How many tokens and bytes they have.
    tokens: u64,
    bytes: usize,
    /// How many of them the chunk before has had too.
    repeated: usize,
    /// The first piece that did not fit.
    next: Option<Atom>,
    places: Places<'a>,
    ordinal: u32,
    tokens_max: u64,
    overlap_tokens: u64,
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        loop {
            self.fill();
            if self.window.len() <= self.repeated {
                return None;
            }
            let cut = self.best_cut();
            let chunk = self.chunk(cut);
            self.move_on(cut);
            // White space alone is no chunk.
            if chunk.is_some() {
                return chunk;
            }
        }
    }
}

impl Chunks<'_> {
    /// Takes pieces as long as they fit.
    fn fill(&mut self) {
        loop {
            let Some(atom) = self.next.take().or_else(|| self.atoms.next()) else { return };
            // White space has next to no tokens, however long it is.
            let is_full = self.tokens + atom.tokens > self.tokens_max
                || self.bytes + atom.len > CHUNK_BYTES_MAX;
            if is_full && !self.window.is_empty() {
                self.next = Some(atom);
                return;
            }
            self.tokens += atom.tokens;
            self.bytes += atom.len;
            self.window.push_back(atom);
        }
    }

    /// How many pieces the next chunk has.
    fn best_cut(&self) -> usize {
        if self.next.is_none() {
            return self.window.len();
        }
        let repeated: u64 = self.window.iter().take(self.repeated).map(|atom| atom.tokens).sum();
        let half_of_new = (self.tokens_max - self.overlap_tokens) / 2;
        let (mut tokens, mut best) = (0, (Cut::Word, self.window.len()));
        let behind = self.window.iter().skip(1).chain(self.next.as_ref());
        for ((atom, next), index) in self.window.iter().zip(behind).zip(1..) {
            tokens += atom.tokens;
            let new = tokens.saturating_sub(repeated);
            let is_full = tokens >= self.tokens_max / 2 && new >= half_of_new;
            let may_end = next.cut == Cut::Heading && tokens >= self.tokens_max / 4;
            if index > self.repeated && (is_full || may_end) && next.cut >= best.0 {
                best = (next.cut, index);
            }
        }
        best.1
    }

    fn chunk(&mut self, cut: usize) -> Option<Chunk> {
        let (first, last) = (self.window.front()?, self.window.get(cut.checked_sub(1)?)?);
        let whole = self.text.get(first.start..last.start + last.len)?;
        let chars = last.start_char + last.chars - first.start_char;
        let text = whole.trim_end();
        let behind = whole.get(text.len()..).unwrap_or_default().chars().count();
        let trimmed = text.trim_start();
        let before = text.get(..text.len() - trimmed.len()).unwrap_or_default().chars().count();
        if trimmed.is_empty() {
            return None;
        }
        let start = first.start_char + before;
        let span = Span { start, end: first.start_char + chars - behind };
        let (page, headings) = self.places.at(start);
        let chunk = Chunk {
            ordinal: self.ordinal,
            text: trimmed.to_owned(),
            span,
            page,
            headings,
            tokens: u32::try_from(estimate_tokens(trimmed)).unwrap_or(u32::MAX),
        };
        self.ordinal += 1;
        Some(chunk)
    }

    /// Leaves behind what the next chunk does not repeat.
    fn move_on(&mut self, cut: usize) {
        let next = self.window.get(cut).or(self.next.as_ref());
        let mut from = cut;
        if next.is_none_or(|next| next.cut != Cut::Heading) {
            let mut tokens = 0;
            // At least one piece is left behind.
            while from > 1 {
                let Some(atom) = self.window.get(from - 1) else { break };
                tokens += atom.tokens;
                if tokens > self.overlap_tokens {
                    break;
                }
                from -= 1;
                if atom.cut == Cut::Heading {
                    break;
                }
            }
        }
        for atom in self.window.drain(..from) {
            self.tokens -= atom.tokens;
            self.bytes -= atom.len;
        }
        self.repeated = cut - from;
    }
}

#[cfg(test)]
mod tests;

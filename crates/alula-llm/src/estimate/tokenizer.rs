//! OpenAI's own tokenizer.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tiktoken::CoreBpe;

use super::{family::Family, text};

/// How much of a request is counted. It takes a millisecond, or twenty with the worst text there is.
const BYTES_MAX: usize = 32 << 10;
/// A text is cut into such pieces, as the time for one word grows faster than its length.
const PIECE: usize = 4 << 10;

/// The tables of an encoding, which take a while to be read.
struct Tables {
    encoding: &'static str,
    tables: OnceLock<&'static CoreBpe>,
    is_asked_for: AtomicBool,
}

static O200K: Tables = Tables::of("o200k_base");
static CL100K: Tables = Tables::of("cl100k_base");

impl Tables {
    const fn of(encoding: &'static str) -> Self {
        Self { encoding, tables: OnceLock::new(), is_asked_for: AtomicBool::new(false) }
    }

    /// The tables, if they are there; else somebody begins to read them.
    fn get(&'static self) -> Option<&'static CoreBpe> {
        if let Some(tables) = self.tables.get() {
            return Some(tables);
        }
        if !self.is_asked_for.swap(true, Ordering::Relaxed) {
            let thread = thread::Builder::new().name("tiktoken".to_owned());
            if thread.spawn(|| self.read()).is_err() {
                self.is_asked_for.store(false, Ordering::Relaxed);
            }
        }
        None
    }

    fn read(&self) {
        if let Some(tables) = tiktoken::get_encoding(self.encoding) {
            self.tables.get_or_init(|| tables);
        }
    }
}

/// Counts the texts of one request, as far as that may take time.
pub(super) struct Exact {
    tables: &'static CoreBpe,
    /// How much may still be counted.
    bytes: usize,
    counted: u64,
    /// What would have been estimated for the same text.
    estimated: u64,
}

impl Exact {
    pub(super) fn of(family: Family) -> Option<Self> {
        let tables = match family {
            Family::OpenAi => O200K.get(),
            Family::OldOpenAi => CL100K.get(),
            _ => None,
        }?;
        Some(Self { tables, bytes: BYTES_MAX, counted: 0, estimated: 0 })
    }

    pub(super) fn tokens(&mut self, text: &str) -> u64 {
        let (mut left, rest) = text.split_at(text.floor_char_boundary(self.bytes));
        self.bytes -= left.len();
        self.estimated += text::tokens(left);
        let mut counted = 0;
        while !left.is_empty() {
            let (piece, next) = left.split_at(left.ceil_char_boundary(PIECE));
            counted += self.tables.count(piece) as u64;
            left = next;
        }
        self.counted += counted;
        counted.saturating_add(self.like_before(text::tokens(rest)))
    }

    /// An estimate, corrected by how the text before came out.
    fn like_before(&self, tokens: u64) -> u64 {
        match self.estimated {
            0 => tokens,
            estimated => text::scaled(tokens, self.counted, estimated),
        }
    }
}

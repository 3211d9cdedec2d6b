#![doc = include_str!("../README.md")]

mod chunk;
mod extract;
mod kind;
mod text;

pub use self::{
    chunk::{Chunker, ChunkerError, Chunks},
    extract::{ExtractError, ExtractLimits, Extractor, Unreadable, child},
    kind::{Kind, KindError, Sniffer, clean_name},
    text::{Chunk, Extracted, Heading, Page, Span},
};

/// What the fuzz targets call.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::extract::{fuzz as extract, fuzz_xml as extract_xml};
}

#![doc = include_str!("../README.md")]

pub mod answer;
mod chunk;
mod embed;
mod extract;
mod kind;
pub mod search;
pub mod store;
mod text;

pub use self::{
    chunk::{Chunker, ChunkerError, Chunks},
    embed::{Cached, EmbedError, Embedder, Hashing, LlmEmbedder, under_headings},
    extract::{ExtractError, ExtractLimits, Extractor, Unreadable, child},
    kind::{Kind, KindError, Sniffer, clean_name},
    store::{
        Attribute, Attributes, ChunkId, ChunkKey, Embedding, Entry, EntryRef, NewEntry, Scope,
        SqlStore, Store, StoreError, StoreSettings, StoredChunk, VectorIndex,
    },
    text::{Chunk, Extracted, Heading, Page, Span},
};

/// What the fuzz targets call.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::extract::{fuzz as extract, fuzz_xml as extract_xml};
}

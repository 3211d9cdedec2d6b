//! What documents may take.

use alula_rag::{Chunker, ExtractLimits};

use super::StorageUrl;

/// How documents are kept.
#[derive(Debug, Clone)]
pub(crate) struct DocumentSettings {
    /// Where their bytes are.
    pub(crate) storage: StorageUrl,
    /// How many files one upload may have.
    pub(crate) files_max: usize,
    /// How many uploads there may be at a time.
    pub(crate) uploads_max: usize,
    /// How many of these of one key.
    pub(crate) uploads_per_key_max: usize,
    /// How many bytes of a file have to arrive in a second, as they do on average.
    pub(crate) upload_bytes_per_second_min: u64,
    /// How many documents of a key may be processed.
    pub(crate) processed_per_key_max: u64,
    /// How many documents a key may have.
    pub(crate) per_key_max: u64,
    /// How many bytes these may have.
    pub(crate) bytes_per_key_max: u64,
    /// What taking the text out of one may take, and how large it may be.
    pub(crate) extraction: ExtractLimits,
    /// How many texts are taken out at a time.
    pub(crate) extractions_max: usize,
    /// How many documents are given vectors at a time.
    pub(crate) embeddings_max: u32,
    /// How they are cut.
    pub(crate) chunker: Chunker,
}

impl Default for DocumentSettings {
    fn default() -> Self {
        Self {
            storage: StorageUrl::default(),
            files_max: 100,
            uploads_max: 16,
            uploads_per_key_max: 4,
            upload_bytes_per_second_min: 8 << 10,
            processed_per_key_max: 10_000,
            per_key_max: 100_000,
            bytes_per_key_max: 10 << 30,
            extraction: ExtractLimits::default(),
            extractions_max: 2,
            embeddings_max: 8,
            chunker: Chunker::default(),
        }
    }
}

impl DocumentSettings {
    /// How many bytes a document may have.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.extraction.document_bytes_max
    }

    /// How many bytes the form of one document may have: it has fields too.
    pub(crate) fn form_bytes_max(&self) -> usize {
        const FIELDS: u64 = 1 << 20;
        usize::try_from(self.bytes_max().saturating_add(FIELDS)).unwrap_or(usize::MAX)
    }

    /// The same for one of many.
    pub(crate) fn forms_bytes_max(&self) -> usize {
        self.form_bytes_max().saturating_mul(self.files_max)
    }
}

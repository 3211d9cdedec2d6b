//! Variables about documents that are kept.

use std::num::{NonZeroU32, NonZeroU64};

use alula_rag::{Chunker, ExtractLimits};

use super::Variables;
use crate::{
    db::DatabaseUrl,
    services::documents::{DocumentSettings, StorageUrl},
};

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// Without an address of their own, files are beside the database, or as long there as that.
    pub(super) fn documents(&mut self, database: &DatabaseUrl) -> DocumentSettings {
        let defaults = DocumentSettings::default();
        let storage = self.secret("STORAGE_URL").unwrap_or_else(|| match database {
            DatabaseUrl::Memory => StorageUrl::Memory,
            DatabaseUrl::File(path) => {
                StorageUrl::Folder(path.parent().unwrap_or(path).join("files"))
            }
            DatabaseUrl::Postgres(_) => StorageUrl::default(),
        });
        let embeddings = self.parsed::<NonZeroU32>("ALULA_DOCUMENTS_EMBEDDED_MAX");
        DocumentSettings {
            storage,
            files_max: self.count("ALULA_UPLOAD_FILES_MAX", defaults.files_max),
            uploads_max: self.count("ALULA_UPLOADS_RUNNING_MAX", defaults.uploads_max),
            uploads_per_key_max: self
                .count("ALULA_UPLOADS_PER_KEY_MAX", defaults.uploads_per_key_max),
            upload_bytes_per_second_min: self
                .amount("ALULA_UPLOAD_BYTES_PER_SECOND_MIN", defaults.upload_bytes_per_second_min),
            processed_per_key_max: self
                .amount("ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX", defaults.processed_per_key_max),
            per_key_max: self.amount("ALULA_DOCUMENTS_PER_KEY_MAX", defaults.per_key_max),
            bytes_per_key_max: self
                .amount("ALULA_DOCUMENTS_BYTES_PER_KEY_MAX", defaults.bytes_per_key_max),
            extractions_max: self.count("ALULA_EXTRACTIONS_RUNNING_MAX", defaults.extractions_max),
            embeddings_max: embeddings.map_or(defaults.embeddings_max, NonZeroU32::get),
            extraction: self.extraction(&defaults.extraction),
            chunker: self.chunker(),
        }
    }

    fn extraction(&mut self, defaults: &ExtractLimits) -> ExtractLimits {
        let cpu_seconds_max = self.amount("ALULA_EXTRACTION_SECONDS", defaults.cpu_seconds_max);
        ExtractLimits {
            document_bytes_max: self
                .amount("ALULA_DOCUMENT_BYTES_MAX", defaults.document_bytes_max),
            text_bytes_max: self.amount("ALULA_DOCUMENT_TEXT_BYTES_MAX", defaults.text_bytes_max),
            memory_bytes_max: self
                .amount("ALULA_EXTRACTION_MEMORY_BYTES_MAX", defaults.memory_bytes_max),
            // The same share of waiting as there is by default.
            wall_seconds_max: cpu_seconds_max.saturating_mul(3),
            cpu_seconds_max,
            ..defaults.clone()
        }
    }

    fn chunker(&mut self) -> Chunker {
        let default = Chunker::default();
        let tokens_max = self.parsed::<u32>("ALULA_CHUNK_TOKENS_MAX");
        let overlap = self.parsed::<u32>("ALULA_CHUNK_OVERLAP_TOKENS");
        let tokens_max = tokens_max.unwrap_or(default.tokens_max());
        let overlap = overlap.unwrap_or(default.overlap_tokens().min(tokens_max / 2));
        Chunker::new(tokens_max, overlap).unwrap_or_else(|error| {
            self.mistakes.push(format!(
                "ALULA_CHUNK_TOKENS_MAX={tokens_max}, ALULA_CHUNK_OVERLAP_TOKENS={overlap}: {error}"
            ));
            default
        })
    }

    /// A number from 1.
    fn amount(&mut self, name: &str, default: u64) -> u64 {
        self.parsed::<NonZeroU64>(name).map_or(default, NonZeroU64::get)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(
        database: &str,
        known: &'static [(&'static str, &'static str)],
    ) -> (DocumentSettings, Vec<String>) {
        let variable = |name: &str| {
            let known = known.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        let mut variables = Variables { variable, mistakes: Vec::new() };
        let settings = variables.documents(&database.parse().unwrap());
        (settings, variables.mistakes)
    }

    #[test]
    fn files_are_beside_the_database() {
        let folder = |database: &str| match read(database, &[]).0.storage {
            StorageUrl::Folder(path) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(folder("sqlite://data/alula.db"), Path::new("data/files"));
        assert_eq!(folder("sqlite:///srv/a.db"), Path::new("/srv/files"));
        assert_eq!(folder("sqlite:a.db"), Path::new("files"));
        assert_eq!(folder("postgres://a@b/c"), Path::new("data/files"));
        let memory = read("sqlite::memory:", &[]).0.storage;
        assert!(matches!(memory, StorageUrl::Memory));
    }

    #[test]
    fn mistakes_are_told() {
        let (settings, mistakes) = read(
            "sqlite::memory:",
            &[
                ("STORAGE_URL", "ftp://canary"),
                ("ALULA_DOCUMENT_BYTES_MAX", "0"),
                ("ALULA_CHUNK_TOKENS_MAX", "10"),
                ("ALULA_EXTRACTION_SECONDS", "5"),
            ],
        );
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert!(!mistakes.concat().contains("canary"));
        assert_eq!(settings.extraction.wall_seconds_max, 15);
    }
}

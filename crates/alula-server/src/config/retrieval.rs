//! Variables about documents that are searched.

use std::num::{NonZeroU32, NonZeroU64};

use alula_rag::{answer::PassageLimits, store::DIMENSIONS_MAX};

use super::Variables;
use crate::services::retrieval::{LIMIT_MAX, RetrievalSettings};

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub(super) fn retrieval(&mut self) -> RetrievalSettings {
        let defaults = RetrievalSettings::default();
        let cached = self.parsed::<NonZeroU64>("ALULA_EMBEDDINGS_CACHED_MAX");
        RetrievalSettings {
            model: self.text("ALULA_EMBEDDING_MODEL"),
            dimensions: self.number("ALULA_EMBEDDING_DIMENSIONS", DIMENSIONS_MAX),
            wait: self.seconds("ALULA_SEARCH_EMBEDDING_SECONDS", defaults.wait),
            running_max: self.count("ALULA_SEARCHES_RUNNING_MAX", defaults.running_max),
            limit_max: self
                .number("ALULA_SEARCH_LIMIT_MAX", LIMIT_MAX)
                .unwrap_or(defaults.limit_max),
            passages: PassageLimits {
                tokens_max: self
                    .number("ALULA_DOCUMENT_TOKENS_MAX", u32::MAX)
                    .unwrap_or(defaults.passages.tokens_max),
                similarity_min: self.similarity(defaults.passages.similarity_min),
                ..defaults.passages
            },
            vectors_bytes_max: self.count("ALULA_VECTORS_BYTES_MAX", defaults.vectors_bytes_max),
            cached_max: cached.map_or(defaults.cached_max, NonZeroU64::get),
        }
    }

    /// A cosine.
    fn similarity(&mut self, default: f32) -> f32 {
        const NAME: &str = "ALULA_DOCUMENT_SIMILARITY_MIN";
        match self.parsed::<f32>(NAME) {
            None => default,
            Some(number) if (-1.0..=1.0).contains(&number) => number,
            Some(number) => {
                self.mistakes.push(format!("{NAME}={number}: from -1 to 1"));
                default
            }
        }
    }

    /// A number from 1 to this one.
    fn number(&mut self, name: &str, max: u32) -> Option<u32> {
        let number = self.parsed::<NonZeroU32>(name)?.get();
        if number > max {
            self.mistakes.push(format!("{name}={number}: at most {max}"));
            return None;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let variable = |name: &str| match name {
            "ALULA_EMBEDDING_DIMENSIONS" => Some("8193".to_owned()),
            "ALULA_SEARCH_LIMIT_MAX" => Some("50".to_owned()),
            _ => None,
        };
        let mut variables = Variables { variable, mistakes: Vec::new() };
        let settings = variables.retrieval();
        assert_eq!((settings.dimensions, settings.limit_max), (None, 50));
        assert_eq!(variables.mistakes, ["ALULA_EMBEDDING_DIMENSIONS=8193: at most 8192"]);
    }
}

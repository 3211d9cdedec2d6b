//! Variables about vector stores.

use super::Variables;
use crate::services::vector_stores::VectorStoreLimits;

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub(super) fn vector_stores(&mut self) -> VectorStoreLimits {
        let defaults = VectorStoreLimits::default();
        VectorStoreLimits {
            per_key_max: self.count("ALULA_VECTOR_STORES_PER_KEY_MAX", defaults.per_key_max),
            files_max: self.count("ALULA_VECTOR_STORE_FILES_MAX", defaults.files_max),
            batch_files_max: self
                .count("ALULA_VECTOR_STORE_BATCH_FILES_MAX", defaults.batch_files_max),
        }
    }
}

//! Whether a list holds the same item twice.

use std::collections::HashSet;

use serde_json::Value;

/// Compares by JSON text, so that the time does not grow with the square of the length.
pub(super) fn has_duplicates(items: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    !items.iter().all(|item| seen.insert(item.to_string()))
}

//! What FastAPI answered; `tests/fixtures/fastapi/generate.py` recorded it.

use std::path::Path;

use serde::de::DeserializeOwned;

/// A file of recorded answers.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fastapi").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Fails with every case that differs, not only with the first. A case is its name, what FastAPI
/// answered and what Alula answered.
pub(crate) fn assert_same(cases: impl IntoIterator<Item = (String, String, String)>) {
    let differing: Vec<String> = cases
        .into_iter()
        .filter(|(_, expected, found)| expected != found)
        .map(|(name, expected, found)| format!("{name}\n  fastapi: {expected}\n  alula:   {found}"))
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

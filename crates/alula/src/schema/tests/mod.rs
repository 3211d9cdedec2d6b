//! The schema engine against recorded answers of FastAPI, pydantic and Python.
//!
//! `tests/fixtures/fastapi/generate.py` records them.

mod agreement;
mod bodies;
mod custom;
mod custom_enums;
mod limits;
mod parameters;
mod secrets;
mod shapes;
mod syntax;
mod text;
mod values;

use serde::de::DeserializeOwned;

fn fixture<T: DeserializeOwned>(text: &str) -> Vec<T> {
    serde_json::from_str(text).unwrap()
}

/// Fails with every case that differs, not only with the first.
fn assert_same(cases: impl Iterator<Item = (String, String, String)>) {
    let differing: Vec<String> = cases
        .filter(|(_, expected, found)| expected != found)
        .map(|(name, expected, found)| format!("{name}\n  fastapi: {expected}\n  alula:   {found}"))
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}

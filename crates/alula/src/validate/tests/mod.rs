//! The derive at work on types of every shape.

mod formats;
mod limits;
mod numbers;
mod places;
mod shapes;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Report, Validate};
use crate::schema::Loc;

/// Whether `json` is read as a `T` that keeps its constraints.
fn accepts<T: DeserializeOwned + Validate>(json: Value) -> bool {
    read::<T>(json).is_valid()
}

fn read<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("serde accepts the value")
}

/// The failures of custom checks, as `place.to.it: message`.
fn failures(value: &impl Validate) -> Vec<String> {
    let mut report = Report::default();
    value.report(&mut report);
    report
        .into_failures()
        .into_iter()
        .map(|failure| {
            let steps: Vec<_> = failure.loc.iter().map(step).collect();
            format!("{}: {}", steps.join("."), failure.message)
        })
        .collect()
}

fn step(step: &Loc) -> String {
    match step {
        Loc::Key(key) => key.to_string(),
        Loc::Index(index) => index.to_string(),
    }
}

//! The derive at work on types of every shape.

mod formats;
mod limits;
mod numbers;
mod places;
mod shapes;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Report, TypedStep, Validate};
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
            let steps: Vec<_> = failure.place.iter().map(step).collect();
            format!("{}: {}", steps.join("."), failure.message)
        })
        .collect()
}

/// The name of a variant that is no step in the JSON stands in parentheses.
fn step(step: &TypedStep) -> String {
    match step {
        TypedStep::Part(Loc::Key(key)) => key.to_string(),
        TypedStep::Part(Loc::Index(index)) => index.to_string(),
        TypedStep::Part(Loc::Branch(name)) => name.to_string(),
        TypedStep::Variant(name) => format!("({name})"),
    }
}

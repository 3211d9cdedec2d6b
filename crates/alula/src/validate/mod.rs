//! Typed checks: whether a value that serde accepted also keeps its constraints.

use std::fmt::Display;

use crate::schema::Loc;

/// Whether a value keeps the constraints that its schema promises.
///
/// Derive it next to `Deserialize` and `JsonSchema`; the checks come from the same
/// `#[schemars(...)]` attributes, so that document, check and message cannot differ.
pub trait Validate {
    /// Whether every constraint of this value and of all it contains holds.
    ///
    /// This is the happy path: it stops at the first failure and builds no message.
    fn is_valid(&self) -> bool;

    /// Adds the failures of custom checks, the ones that no schema can express.
    ///
    /// Runs only after [`is_valid`](Self::is_valid) said no.
    fn report(&self, report: &mut Report) {
        let _ = report;
    }
}

/// The failures of custom checks, each with its place in the value.
#[derive(Debug, Default)]
pub struct Report {
    loc: Vec<Loc>,
    failures: Vec<Failure>,
}

/// A custom check that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) loc: Vec<Loc>,
    pub(crate) message: String,
}

impl Report {
    /// Runs `inner` one step deeper, at a property or an index.
    pub fn at(&mut self, step: impl Into<Loc>, inner: impl FnOnce(&mut Self)) {
        self.loc.push(step.into());
        inner(self);
        self.loc.pop();
    }

    /// Records what a custom check returned at the current place.
    pub fn check<E: Display>(&mut self, outcome: Result<(), E>) {
        if let Err(error) = outcome {
            self.failures.push(Failure { loc: self.loc.clone(), message: error.to_string() });
        }
    }

    pub(crate) fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}

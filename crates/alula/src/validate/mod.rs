//! Typed checks: whether a value that serde accepted also keeps its constraints.
//!
//! The happy path is [`Validate::is_valid`], plain comparisons that the compiler inlines.
//! Its `false` says nothing; the walker over the JSON Schema then finds out what is wrong
//! and where, and [`Validate::report`] adds what no schema can say.

pub(crate) mod constraint;
mod impls;
pub(crate) mod number;
pub(crate) mod pattern;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Display;

use crate::schema::Loc;

/// Whether a value keeps the constraints that its schema promises.
///
/// Derive it next to `Deserialize` and `JsonSchema`; the checks come from the same
/// `#[schemars(...)]` attributes, so that document, check and message cannot differ.
/// Every field is checked as deep as it goes, so the type of every field has to
/// implement this trait as well; the derive's documentation lists all that it reads.
///
/// ```
/// use alula::Validate;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Sampling {
///     #[schemars(range(min = 0.0, max = 2.0))]
///     temperature: f64,
///     /// At most four sequences, none of them empty.
///     #[schemars(length(max = 4), inner(length(min = 1)))]
///     stop: Vec<String>,
///     #[validate(custom = is_even)]
///     seed: Option<u64>,
/// }
///
/// fn is_even(seed: &u64) -> Result<(), &'static str> {
///     if seed % 2 == 0 { Ok(()) } else { Err("an odd seed") }
/// }
///
/// let mut sampling = Sampling { temperature: 0.7, stop: vec!["\n".into()], seed: None };
/// assert!(sampling.is_valid());
///
/// sampling.temperature = 2.5;
/// assert!(!sampling.is_valid());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not validated",
    label = "does not implement `Validate`",
    note = "add `#[derive(Validate)]` to `{Self}`, or `#[validate(skip)]` to a field of a foreign type"
)]
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

    /// This value as the key of a JSON object, for the place of a failure below it.
    #[doc(hidden)]
    fn key(&self) -> String {
        "[key]".to_owned()
    }
}

/// The failures of custom checks, each with its place in the value.
#[derive(Debug, Default)]
pub struct Report {
    place: Vec<TypedStep>,
    failures: Vec<Failure>,
}

/// A custom check that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) place: Vec<TypedStep>,
    pub(crate) message: String,
}

/// One step on the way from a typed value to a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TypedStep {
    /// A property or an index.
    Part(Loc),
    /// The variant of an enum whose name is no step in the JSON.
    Variant(Cow<'static, str>),
}

impl Report {
    /// Runs `inner` one step deeper, at a property or an index.
    pub fn at(&mut self, step: impl Into<Loc>, inner: impl FnOnce(&mut Self)) {
        self.step(TypedStep::Part(step.into()), inner);
    }

    /// Runs `inner` inside the variant `name` of an enum that is tagged by a property, or not at
    /// all: the name is not a step in the JSON, but FastAPI shows it, or its own name for it.
    ///
    /// For an externally tagged enum the name is a property; that is what [`at`](Self::at) is for.
    pub fn variant(&mut self, name: impl Into<Cow<'static, str>>, inner: impl FnOnce(&mut Self)) {
        self.step(TypedStep::Variant(name.into()), inner);
    }

    fn step(&mut self, step: TypedStep, inner: impl FnOnce(&mut Self)) {
        self.place.push(step);
        inner(self);
        self.place.pop();
    }

    /// Adds the failures of `part`, which is found one step deeper.
    pub fn visit<T: Validate + ?Sized>(&mut self, step: impl Into<Loc>, part: &T) {
        self.at(step, |report| part.report(report));
    }

    /// Records what a custom check returned at the current place.
    pub fn check<E: Display>(&mut self, outcome: Result<(), E>) {
        if let Err(error) = outcome {
            self.failures.push(Failure { place: self.place.clone(), message: error.to_string() });
        }
    }

    pub(crate) fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}

//! The way of a value that serde or a typed check refused: the schema reads it, and has the words.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::expects::{Expects, expects_named};
use super::files::{hide_positions, to_value};
use super::pairs::{Given, Run, Runs};
use super::{Form, TextShape};
use crate::schema::detail::{Detail, Loc};
use crate::schema::single::{from_serde, steps, unnamed};
use crate::schema::walk::Mode;
use crate::validate::{Failure, Report, TypedStep, Validate};

impl TextShape {
    /// The slow way, which is the authority: the schema says what each text should be.
    #[cold]
    pub(super) fn recover<T>(
        &self,
        place: &'static str,
        runs: &Runs<'_>,
        report: Report,
    ) -> Result<T, Vec<Detail>>
    where
        T: DeserializeOwned + Validate,
    {
        let input = self.assemble(runs);
        let failures = self.in_object(report);
        let mode = if self.form_fields.is_some() { Mode::Form } else { Mode::Text };
        let outcome = self.shape.walk(mode, &input, &failures);
        let edits = outcome.edits(place).map_err(|details| self.on_the_wire(details))?;
        let mut coerced = input.clone();
        for edit in edits {
            edit.apply(&mut coerced);
        }
        let value: T = match serde_path_to_error::deserialize(&self.unwrap(coerced)) {
            Ok(value) => value,
            Err(error) => {
                let mut loc = steps(error.path());
                if let Some(entry) = self.enter_object(loc.first_mut()) {
                    loc.insert(0, entry);
                }
                let detail = from_serde(&self.shape, place, &input, loc, error.inner());
                return Err(self.on_the_wire(vec![detail]));
            }
        };
        if value.is_valid() {
            return Ok(value);
        }
        let mut report = Report::default();
        value.report(&mut report);
        let failures = self.in_object(report);
        let mut details = self.shape.walk(mode, &input, &failures).details(place);
        if details.is_empty() {
            details.push(unnamed(place, input));
        }
        Err(self.on_the_wire(details))
    }

    /// The pairs as an object of texts and lists of texts, under the names of the type.
    fn assemble(&self, runs: &Runs<'_>) -> Value {
        let mut object = Map::new();
        for run in self.in_order(runs) {
            let Some(name) = self.field_name(run.name()) else { continue };
            if self.is_absent(name, run) {
                continue;
            }
            let value = |given| match given {
                Given::Text(text) => text.into(),
                Given::File(at) => to_value(run.files(), at),
            };
            let value = match expects_named(&self.shape, name) {
                Expects::One => value(run.one()),
                Expects::Either if run.len() == 1 => value(run.one()),
                Expects::Either | Expects::Many => run.items().map(value).collect(),
            };
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    /// Every name once, in the order in which an error shows them: of a form, the fields of the
    /// type come first.
    fn in_order<'r>(&self, runs: &'r Runs<'_>) -> Vec<Run<'r>> {
        let mut ordered = runs.in_order_of_arrival();
        if self.form_fields.is_some() {
            let place = |name| self.parameters.iter().position(|known| known.name == name);
            ordered.sort_by_key(|run| place(run.name()).unwrap_or(self.parameters.len()));
        }
        ordered
    }

    /// Where custom checks failed, in terms of the object that stands for the value.
    fn in_object(&self, report: Report) -> Vec<Failure> {
        let mut failures = report.into_failures();
        for failure in &mut failures {
            let first = match failure.place.first_mut() {
                Some(TypedStep::Part(step)) => Some(step),
                _ => None,
            };
            if let Some(entry) = self.enter_object(first) {
                failure.place.insert(0, TypedStep::Part(entry));
            }
        }
        failures
    }

    /// Names the first step inside the value as the object does, or returns the step before it.
    fn enter_object(&self, first: Option<&mut Loc>) -> Option<Loc> {
        match (&self.form, first) {
            (Form::Single(name), _) => return Some(Loc::from(name.clone())),
            (Form::Tuple(names), Some(step)) => {
                if let Loc::Index(at) = step
                    && let Some(name) = names.get(*at)
                {
                    *step = Loc::from(name.clone());
                }
            }
            (Form::Struct | Form::Tuple(_), _) => {}
        }
        None
    }

    /// The value inside the object that stands for it.
    fn unwrap(&self, mut object: Value) -> Value {
        let mut take = |name: &String| object.get_mut(name).map_or(Value::Null, Value::take);
        match &self.form {
            Form::Struct => object,
            Form::Single(name) => take(name),
            Form::Tuple(names) => names.iter().map(take).collect(),
        }
    }

    /// Details show the names that the client wrote, and of files only what describes them.
    fn on_the_wire(&self, mut details: Vec<Detail>) -> Vec<Detail> {
        for detail in &mut details {
            if self.form_fields.is_some() {
                hide_positions(&mut detail.input);
            }
            if let Some(Loc::Key(step)) = detail.loc.get_mut(1)
                && let Some((wire, _)) = self.renamed.iter().find(|(_, name)| name == step)
            {
                *step = Cow::Owned(wire.clone());
            }
        }
        details
    }
}

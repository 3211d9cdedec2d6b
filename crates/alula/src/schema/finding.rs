//! What a walk collects: errors and edits that borrow from the value until someone needs them.

use serde_json::Value;

use super::detail::{Detail, Loc};
use super::words::Words;
use crate::validate::TypedStep;

/// Answers repeat at most about this much of the input: a missing field shows the object that
/// lacks it, and every error shows the keys on its way, so that a hundred errors could otherwise
/// repeat a large body a hundred times.
const ECHO_BYTES_MAX: usize = 1 << 20;

/// One step on the way from the root to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
    /// The branch of a union: shown in `loc`, but not a step in the value.
    Label(&'a str),
}

impl<'a> From<&'a TypedStep> for Step<'a> {
    fn from(step: &'a TypedStep) -> Self {
        match step {
            TypedStep::Part(Loc::Key(key)) => Self::Key(key),
            TypedStep::Part(Loc::Branch(name)) => Self::Label(name),
            TypedStep::Part(Loc::Index(at)) => Self::Index(*at),
            TypedStep::Variant(name) => Self::Label(name),
        }
    }
}

impl Step<'_> {
    /// Whether a path through the value leads to the place of a custom check.
    ///
    /// The names of branches do not count, as an untagged enum calls them by the Rust names; nor
    /// does a branch that only one side knows of. Only at the end of the path it matters whether
    /// the check is about the branch or about the enum as a whole.
    pub(super) fn same_place(path: &[Self], place: &[TypedStep]) -> bool {
        let variants = place.iter().rev().take_while(|step| is_variant(step)).count();
        let labels = path.iter().rev().take_while(|step| step.is_label()).count();
        Self::leads_into(path, place)
            && Self::real(path).count() == real(place).count()
            && labels <= variants
    }

    /// Whether a path through the value leads to the place of a custom check or to something
    /// inside.
    pub(super) fn leads_into(path: &[Self], place: &[TypedStep]) -> bool {
        let mut path = Self::real(path);
        real(place).all(|step| match (path.next(), step) {
            (Some(Self::Key(key)), Loc::Key(other)) => key == other,
            (Some(Self::Index(at)), Loc::Index(other)) => at == other,
            _ => false,
        })
    }

    /// The steps that are in the value.
    fn real(path: &[Self]) -> impl Iterator<Item = &Self> {
        path.iter().filter(|step| !step.is_label())
    }

    pub(super) fn is_label(&self) -> bool {
        matches!(self, Self::Label(_))
    }

    /// How many bytes the step takes in an answer, not counting quotes.
    fn size(&self) -> usize {
        match self {
            Self::Key(key) | Self::Label(key) => key.len(),
            Self::Index(_) => 1,
        }
    }

    pub(super) fn to_loc(self) -> Loc {
        match self {
            Self::Key(key) => Loc::from(key.to_owned()),
            Self::Label(key) => Loc::Branch(key.to_owned().into()),
            Self::Index(at) => Loc::Index(at),
        }
    }
}

/// The value that an error shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Echo<'a> {
    Value(&'a Value),
    Text(&'a str),
    Null,
}

/// An error, before anyone asked for its text.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) words: Words,
    pub(super) path: Vec<Step<'a>>,
    pub(super) input: Echo<'a>,
}

/// A coercion: what takes the place of the value at `path`.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) path: Vec<Step<'a>>,
    pub(super) value: Value,
}

/// All that a walk found.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) findings: Vec<Finding<'a>>,
    pub(super) edits: Vec<Edit<'a>>,
}

impl Outcome<'_> {
    /// The errors, ready to be answered; at least one, and no more than the budget allows.
    pub(super) fn details(self, place: &'static str) -> Vec<Detail> {
        let mut budget = ECHO_BYTES_MAX;
        let mut details = Vec::with_capacity(self.findings.len());
        for finding in self.findings {
            let names: usize = finding.path.iter().map(Step::size).sum();
            match budget.checked_sub(names) {
                Some(rest) => budget = rest,
                None if details.is_empty() => budget = 0,
                None => break,
            }
            details.push(finding.detail(place, &mut budget));
        }
        details
    }

    /// The coercions, unless there is an error.
    pub(super) fn edits(self, place: &'static str) -> Result<Vec<OwnedEdit>, Vec<Detail>> {
        if !self.findings.is_empty() {
            return Err(self.details(place));
        }
        let own = |edit: Edit<'_>| OwnedEdit {
            path: edit.path.into_iter().filter(|step| !step.is_label()).map(Step::to_loc).collect(),
            value: edit.value,
        };
        Ok(self.edits.into_iter().map(own).collect())
    }
}

impl Finding<'_> {
    fn detail(self, place: &'static str, budget: &mut usize) -> Detail {
        let mut loc = Vec::with_capacity(self.path.len() + 1);
        loc.push(Loc::from(place));
        loc.extend(self.path.into_iter().map(Step::to_loc));
        let input = match self.input {
            Echo::Null => Value::Null,
            Echo::Text(text) => Value::String(text.to_owned()),
            Echo::Value(value) => echo(value, budget),
        };
        let Words { kind, msg, ctx } = self.words;
        Detail { kind: kind.into(), loc, msg: msg.into_owned(), input, ctx }
    }
}

/// A coercion that no longer borrows from the value it will change.
#[derive(Debug)]
pub(super) struct OwnedEdit {
    path: Vec<Loc>,
    value: Value,
}

impl OwnedEdit {
    pub(super) fn apply(self, root: &mut Value) {
        let place = self.path.iter().try_fold(root, |value, step| match step {
            Loc::Key(key) => value.get_mut(key.as_ref()),
            Loc::Branch(_) => Some(value),
            Loc::Index(at) => value.get_mut(at),
        });
        if let Some(place) = place {
            *place = self.value;
        }
    }
}

fn is_variant(step: &TypedStep) -> bool {
    matches!(step, TypedStep::Variant(_))
}

/// The steps that are in the value.
pub(super) fn real(place: &[TypedStep]) -> impl Iterator<Item = &Loc> {
    place.iter().filter_map(|step| match step {
        TypedStep::Part(loc) => Some(loc),
        TypedStep::Variant(_) => None,
    })
}

/// The value at a place.
pub(super) fn value_at<'v, 'l>(
    root: &'v Value,
    loc: impl IntoIterator<Item = &'l Loc>,
) -> Option<&'v Value> {
    loc.into_iter().try_fold(root, |value, step| match step {
        Loc::Key(key) => value.get(key.as_ref()),
        Loc::Branch(_) => Some(value),
        Loc::Index(at) => value.get(at),
    })
}

/// A copy of the input for an answer, or null when it does not fit into the budget.
fn echo(value: &Value, budget: &mut usize) -> Value {
    match budget.checked_sub(size(value, *budget)) {
        Some(rest) => {
            *budget = rest;
            value.clone()
        }
        None => Value::Null,
    }
}

/// About how many bytes a value takes in an answer; counting stops soon after `limit`.
fn size(value: &Value, limit: usize) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => sum(items.iter().map(|item| (0, item)), limit),
        Value::Object(entries) => {
            sum(entries.iter().map(|(key, value)| (key.len() + 3, value)), limit)
        }
    }
}

fn sum<'v>(parts: impl Iterator<Item = (usize, &'v Value)>, limit: usize) -> usize {
    let mut total = 2;
    for (extra, value) in parts {
        total += extra + 1 + size(value, limit.saturating_sub(total));
        if total > limit {
            break;
        }
    }
    total
}

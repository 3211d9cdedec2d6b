//! The walk over a value that finds every error, and in lax mode every coercion.

use serde_json::{Map, Value};

use super::finding::{Echo, Edit, Finding, Step, real, value_at};
use super::node::{Field, ListRules, Node, NodeId, ObjectRules, Rest, Sequence};
use super::shape::Shape;
use super::text::is_file;
use super::words::{self, Words};
use crate::validate::Failure;

pub(super) use super::finding::Outcome;

/// How far a value may be from its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As serde reads JSON.
    Strict,
    /// As pydantic reads by default.
    Lax,
    /// Lax, for an object of texts whose absent entries have no enclosing object to show.
    Text,
    /// As `Text`, but what no field describes is a mistake, also where serde would ignore it.
    Settings,
    /// Lax, for an object of texts and files that an absent entry shows.
    Form,
}

/// After this many errors the list ends; a client that made a hundred has enough to read.
pub(super) const DETAILS_MAX: usize = 100;

/// Schemas inside schemas, along one path. JSON parsers stop at 128 levels, each of which may
/// take a few nodes.
const DEPTH_MAX: usize = 400;

/// Work inside unions, in nodes; those far from the root count more, as do their errors. Unions
/// inside unions may try their branches again and again.
const UNION_WORK_MAX: usize = 2_000_000;

/// A walk in progress.
pub(super) struct Walk<'a> {
    pub(super) shape: &'a Shape,
    pub(super) mode: Mode,
    /// Failures of custom checks, by their place in the value.
    custom: &'a [Failure],
    path: Vec<Step<'a>>,
    pub(super) findings: Vec<Finding<'a>>,
    pub(super) edits: Vec<Edit<'a>>,
    depth: usize,
    pub(super) union_depth: usize,
    union_work: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shape: &'a Shape, mode: Mode, custom: &'a [Failure]) -> Self {
        Self {
            shape,
            mode,
            custom,
            path: Vec::new(),
            findings: Vec::new(),
            edits: Vec::new(),
            depth: 0,
            union_depth: 0,
            union_work: 0,
        }
    }

    pub(super) fn run(mut self, input: &'a Value) -> Outcome<'a> {
        self.visit(self.shape.root(), input);
        self.custom_checks(0, input);
        self.unreached_checks(input);
        Outcome { findings: self.findings, edits: self.edits }
    }

    /// Adds the failures at places that the walk did not come to: a default that is not in the
    /// value, or what the schema does not describe.
    fn unreached_checks(&mut self, input: &'a Value) {
        let reached = |failure: &&Failure| {
            self.findings.iter().any(|finding| Step::leads_into(&finding.path, &failure.place))
        };
        let unreached: Vec<&'a Failure> =
            self.custom.iter().filter(|failure| !reached(failure)).collect();
        for failure in unreached {
            self.path = failure.place.iter().map(Step::from).collect();
            let echo = value_at(input, real(&failure.place)).map_or(Echo::Null, Echo::Value);
            self.push(words::value_error(&failure.message), echo);
        }
    }

    pub(super) fn is_lax(&self) -> bool {
        self.mode != Mode::Strict
    }

    pub(super) fn fail(&mut self, words: Words, input: &'a Value) {
        self.push(words, Echo::Value(input));
    }

    fn push(&mut self, words: Words, input: Echo<'a>) {
        if !self.is_full() {
            self.findings.push(Finding { words, path: self.path.clone(), input });
        }
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= DETAILS_MAX
    }

    /// Replaces the value at the current place in what lax reading returns.
    pub(super) fn edit(&mut self, value: Value) {
        self.edits.push(Edit { path: self.path.clone(), value });
    }

    /// Visits what lies one step deeper, then the custom checks of that place.
    ///
    /// A branch of a union is a step, although not one in the value.
    pub(super) fn descend(&mut self, step: Step<'a>, id: NodeId, input: &'a Value) {
        let before = self.findings.len();
        self.path.push(step);
        self.visit(id, input);
        self.custom_checks(before, input);
        self.path.pop();
    }

    /// Runs `inner` with a step that shows in errors but is not in the value.
    fn labelled(&mut self, label: &'a str, inner: impl FnOnce(&mut Self)) {
        self.path.push(Step::Label(label));
        inner(self);
        self.path.pop();
    }

    /// A branch of a union that is only tried must not fail for what a custom check says.
    pub(super) fn runs_custom_checks(&self) -> bool {
        !self.custom.is_empty() && self.union_depth == 0
    }

    /// Adds the failures of custom checks at this place, if the schema found nothing inside it.
    fn custom_checks(&mut self, before: usize, input: &'a Value) {
        if !self.runs_custom_checks() || self.findings.len() > before {
            return;
        }
        let custom = self.custom;
        for failure in custom {
            if Step::same_place(&self.path, &failure.place) {
                self.fail(words::value_error(&failure.message), input);
            }
        }
    }

    /// A key that stands for a whole value is there, but the value is not.
    pub(super) fn absent(&mut self, key: &'a str, input: &'a Value) {
        self.path.push(Step::Key(key));
        self.fail(words::MISSING, input);
        self.path.pop();
    }

    pub(super) fn visit(&mut self, id: NodeId, input: &'a Value) {
        if self.is_full() {
            return;
        }
        if self.union_depth > 0 {
            self.union_work += 1 + self.path.len() / 8;
        }
        if self.depth >= DEPTH_MAX || self.union_work > UNION_WORK_MAX {
            return self.fail(words::TOO_COMPLEX, input);
        }
        self.depth += 1;
        match self.shape.node(id) {
            Node::Any => {}
            Node::Never => self.fail(words::NEVER, input),
            Node::Null => {
                if !input.is_null() {
                    self.fail(words::NONE_REQUIRED, input);
                }
            }
            Node::Bool => self.boolean(input),
            Node::Int(rules) => self.integer(rules, input),
            Node::Float(rules) => self.float(rules, input),
            Node::Text(rules) => self.text(rules, input),
            Node::File => self.file(input),
            Node::Choice(rules) => self.choice(rules, input),
            Node::List(rules) => self.list(rules, input),
            Node::Object(rules) => self.object(rules, input),
            Node::Nullable(inner) => {
                if !input.is_null() {
                    self.visit(*inner, input);
                }
            }
            Node::Union(branches) => self.union(branches, input),
            Node::Tagged(rules) => self.tagged(rules, input),
            Node::Keyed(rules) => self.keyed(rules, input),
            Node::All(parts) => self.all(parts, input),
            Node::When(json_type, inner) => {
                if json_type.is_type_of(input) {
                    self.visit(*inner, input);
                }
            }
        }
        self.depth -= 1;
    }

    /// Stops at the first part that refuses the value as a whole: the others would repeat it.
    fn all(&mut self, parts: &'a [NodeId], input: &'a Value) {
        let mode = self.mode;
        if mode == Mode::Settings && parts.len() > 1 {
            // No part knows the fields that the others describe.
            self.mode = Mode::Text;
        }
        self.each_part(parts, input);
        self.mode = mode;
    }

    fn each_part(&mut self, parts: &'a [NodeId], input: &'a Value) {
        for part in parts {
            let before = self.findings.len();
            self.visit(*part, input);
            let here = self.path.len();
            let new = self.findings.get(before..).unwrap_or_default();
            if new.iter().any(|finding| finding.path.len() == here) {
                return;
            }
        }
    }

    fn list(&mut self, rules: &'a ListRules, input: &'a Value) {
        let Value::Array(items) = input else {
            return self.fail(words::sequence_type(rules.sequence), input);
        };
        if rules.sequence == Sequence::Tuple {
            return self.tuple(rules, items, input);
        }
        let noun = words::noun(rules.sequence);
        if let Some(max) = rules.max.filter(|max| exceeds(items.len(), *max)) {
            return self.fail(words::too_long(noun, max, items.len()), input);
        }
        let before = self.findings.len();
        if let Some(node) = rules.items {
            for (at, item) in items.iter().enumerate() {
                self.descend(Step::Index(at), node, item);
                if self.is_full() {
                    return;
                }
            }
        }
        // As in pydantic, the length counts only once every item is good.
        if self.findings.len() > before {
            return;
        }
        if let Some(min) = rules.min.filter(|min| falls_short(items.len(), *min)) {
            self.fail(words::too_short(noun, min, items.len()), input);
        } else if rules.sequence == Sequence::Set && super::unique::has_duplicates(items) {
            self.fail(words::UNIQUE_ITEMS, input);
        }
    }

    fn tuple(&mut self, rules: &'a ListRules, items: &'a [Value], input: &'a Value) {
        let noun = words::noun(Sequence::Tuple);
        if let Some(max) = rules.max.filter(|max| exceeds(items.len(), *max)) {
            return self.fail(words::too_long(noun, max, items.len()), input);
        }
        for (at, node) in rules.prefix.iter().enumerate() {
            match items.get(at) {
                Some(item) => self.descend(Step::Index(at), *node, item),
                None => {
                    self.path.push(Step::Index(at));
                    self.fail(words::MISSING, input);
                    self.path.pop();
                }
            }
        }
        if let Some(node) = rules.items {
            for (at, item) in items.iter().enumerate().skip(rules.prefix.len()) {
                self.descend(Step::Index(at), node, item);
            }
        }
    }

    fn object(&mut self, rules: &'a ObjectRules, input: &'a Value) {
        // A file of a form is an object, but not one of these.
        let entries = input.as_object().filter(|_| self.mode != Mode::Form || !is_file(input));
        let Some(entries) = entries else {
            let words = if rules.is_model() { words::MODEL_TYPE } else { words::DICT_TYPE };
            return self.fail(words, input);
        };
        let before = self.findings.len();
        let mut found = 0;
        for field in &rules.fields {
            match entries.get(&*field.name) {
                Some(value) => {
                    found += 1;
                    self.descend(Step::Key(&field.name), field.node, value);
                }
                None if field.required => self.missing(field, input),
                None => {}
            }
        }
        if found < entries.len() {
            self.unclaimed(rules, entries);
        }
        if self.findings.len() > before {
            return;
        }
        if let Some(max) = rules.max.filter(|max| exceeds(entries.len(), *max)) {
            self.fail(words::too_many_entries(max), input);
        } else if let Some(min) = rules.min.filter(|min| falls_short(entries.len(), *min)) {
            self.fail(words::too_short("Dictionary", min, entries.len()), input);
        }
    }

    fn missing(&mut self, field: &'a Field, input: &'a Value) {
        let parameter = self.mode == Mode::Text && self.path.is_empty();
        let echo = if parameter { Echo::Null } else { Echo::Value(input) };
        self.path.push(Step::Key(&field.name));
        self.push(words::MISSING, echo);
        self.path.pop();
    }

    /// The entries that no field describes.
    fn unclaimed(&mut self, rules: &'a ObjectRules, entries: &'a Map<String, Value>) {
        let rest = match rules.rest {
            Rest::Ignore if self.mode == Mode::Settings && rules.is_model() => Rest::Forbid,
            rest => rest,
        };
        if rest == Rest::Ignore && rules.patterns.is_empty() && rules.names.is_none() {
            return;
        }
        for (key, value) in entries {
            if self.is_full() {
                return;
            }
            if rules.index.contains_key(key.as_str()) {
                continue;
            }
            if let Some(names) = rules.names {
                self.key(names, key);
            }
            let pattern = rules.patterns.iter().find(|(pattern, _)| pattern.is_match(key));
            match pattern.map_or(rest, |(_, node)| Rest::Each(*node)) {
                Rest::Each(node) => self.descend(Step::Key(key), node, value),
                Rest::Ignore => {}
                Rest::Forbid => self.forbidden(rules, key, value),
            }
        }
    }

    fn forbidden(&mut self, rules: &'a ObjectRules, key: &'a str, value: &'a Value) {
        self.path.push(Step::Key(key));
        match rules.patterns.as_slice() {
            // A map with integer keys.
            [(pattern, _)] if matches!(pattern.as_str(), r"^\d+$" | r"^-?\d+$") => {
                self.labelled("[key]", |walk| walk.push(words::INT_PARSING, Echo::Text(key)));
            }
            [(pattern, _)] => {
                let words = words::pattern_mismatch(pattern.as_str());
                self.labelled("[key]", |walk| walk.push(words, Echo::Text(key)));
            }
            _ => self.fail(words::EXTRA_FORBIDDEN, value),
        }
        self.path.pop();
    }

    /// Checks a key itself, which only a string or a choice can describe.
    fn key(&mut self, id: NodeId, key: &'a str) {
        let words = match self.shape.node(id) {
            Node::Text(rules) => rules.check(key).err(),
            Node::Choice(rules) if !rules.values.iter().any(|value| value == key) => {
                Some(words::choice(rules))
            }
            _ => None,
        };
        if let Some(words) = words {
            self.path.push(Step::Key(key));
            self.labelled("[key]", |walk| walk.push(words, Echo::Text(key)));
            self.path.pop();
        }
    }
}

fn exceeds(len: usize, max: u64) -> bool {
    u64::try_from(len).is_ok_and(|len| len > max)
}

fn falls_short(len: usize, min: u64) -> bool {
    u64::try_from(len).is_ok_and(|len| len < min)
}

//! Unions: the branches that may take a value, and what to say when none does.

use serde_json::Value;

use super::finding::Step;
use super::node::{Branch, KeyedRules, TaggedRules};
use super::walk::{DETAILS_MAX, Mode, Walk};
use super::words;

impl<'a> Walk<'a> {
    /// The first branch that takes the value wins; otherwise the errors of all are listed.
    ///
    /// In lax mode a branch that takes the value as it is wins over one that must coerce it.
    pub(super) fn union(&mut self, branches: &'a [Branch], input: &'a Value) {
        let edits = self.edits.len();
        let outer = std::mem::take(&mut self.findings);
        let mut taker = None;
        if self.is_lax() {
            let mode = std::mem::replace(&mut self.mode, Mode::Strict);
            taker = branches.iter().find(|branch| self.attempt(branch, input));
            self.mode = mode;
        }
        let mut refused = Vec::new();
        for branch in branches {
            if taker.is_some() {
                break;
            }
            if self.attempt(branch, input) {
                taker = Some(branch);
            } else {
                refused.append(&mut self.findings);
                self.edits.truncate(edits);
            }
        }
        self.findings = outer;
        match taker {
            Some(branch) if self.runs_custom_checks() => {
                self.edits.truncate(edits);
                self.descend(Step::Label(&branch.label), branch.node, input);
            }
            Some(_) => {}
            None => {
                refused.truncate(DETAILS_MAX.saturating_sub(self.findings.len()));
                self.findings.append(&mut refused);
            }
        }
    }

    /// Walks a branch without custom checks; whether it takes the value.
    fn attempt(&mut self, branch: &'a Branch, input: &'a Value) -> bool {
        self.findings.clear();
        self.union_depth += 1;
        self.descend(Step::Label(&branch.label), branch.node, input);
        self.union_depth -= 1;
        self.findings.is_empty()
    }

    /// A property of the object names the branch.
    pub(super) fn tagged(&mut self, rules: &'a TaggedRules, input: &'a Value) {
        let Value::Object(entries) = input else {
            return self.fail(words::MODEL_TYPE, input);
        };
        let Some(tag) = entries.get(&*rules.tag) else {
            return self.fail(words::tag_not_found(rules), input);
        };
        match tag.as_str().and_then(|tag| rules.branch(tag)) {
            Some(branch) => self.descend(Step::Label(&branch.label), branch.node, input),
            None => self.fail(words::tag_invalid(rules, tag), input),
        }
    }

    /// A bare name, or an object whose only key names the branch: serde's external tags.
    pub(super) fn keyed(&mut self, rules: &'a KeyedRules, input: &'a Value) {
        match input {
            Value::String(name) if rules.has_unit(name) => {}
            Value::String(name) => match rules.branch(name) {
                Some(branch) => self.absent(&branch.label, input),
                None => self.fail(words::key_invalid(rules, name), input),
            },
            Value::Object(entries) => match (entries.iter().next(), entries.len()) {
                (Some((key, content)), 1) => match rules.branch(key) {
                    Some(branch) => self.descend(Step::Key(key), branch.node, content),
                    None if rules.has_unit(key) && content.is_null() => {}
                    None => self.fail(words::key_invalid(rules, key), input),
                },
                _ => self.fail(words::key_not_found(rules), input),
            },
            _ => self.fail(words::key_not_found(rules), input),
        }
    }
}

//! The variables of one source, found by the names of settings.

use std::collections::{HashMap, HashSet};

use super::{error::Origin, plan::NESTED};

/// A variable with a value; `None` if that is not UTF-8.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) origin: Origin,
}

impl Variable {
    fn is_empty(&self) -> bool {
        self.value.as_ref().is_some_and(|value| value.trim().is_empty())
    }
}

/// Variables by their names in upper case, and which of them belong to a setting.
#[derive(Debug)]
pub(super) struct Source {
    variables: Vec<Variable>,
    by_name: HashMap<String, Vec<usize>>,
    claimed: HashSet<usize>,
}

impl Source {
    pub(super) fn new(variables: Vec<Variable>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, variable) in variables.iter().enumerate() {
            by_name.entry(variable.name.to_uppercase()).or_default().push(at);
        }
        Self { variables, by_name, claimed: HashSet::new() }
    }

    /// The first of these names that has a value. Of several spellings the exact one counts, and
    /// of several values the last.
    pub(super) fn take(&mut self, names: &[String]) -> Option<&Variable> {
        let mut found = None;
        for name in names {
            let Some(spellings) = self.by_name.get(&name.to_uppercase()) else { continue };
            self.claimed.extend(spellings);
            let variables = || spellings.iter().rev().filter_map(|at| self.variables.get(*at));
            let exact = variables().find(|variable| variable.name == *name);
            let variable = exact.or_else(|| variables().next());
            found = found.or(variable.filter(|variable| !variable.is_empty()));
        }
        found
    }

    /// The entries of maps with these names: `APP_LIMITS__CHAT` is the entry `chat` of
    /// `APP_LIMITS`.
    pub(super) fn take_entries(&mut self, names: &[String]) -> Vec<(String, &Variable)> {
        let prefixes: Vec<_> =
            names.iter().map(|name| format!("{}{NESTED}", name.to_uppercase())).collect();
        let mut entries = Vec::new();
        for (at, variable) in self.variables.iter().enumerate() {
            let name = variable.name.to_uppercase();
            let key = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
            if let Some(key) = key.filter(|key| !key.is_empty() && !variable.is_empty()) {
                self.claimed.insert(at);
                entries.push((key.to_lowercase(), variable));
            }
        }
        entries
    }

    /// Whether one of these names is set.
    pub(super) fn has(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.by_name.contains_key(&name.to_uppercase()))
    }

    /// The variables that belong to no setting.
    pub(super) fn strangers(&self) -> impl Iterator<Item = &Variable> {
        let strangers =
            self.variables.iter().enumerate().filter(|(at, _)| !self.claimed.contains(at));
        strangers.map(|(_, variable)| variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(variables: &[(&str, &str)]) -> Source {
        let variable = |(name, value): &(&str, &str)| Variable {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            origin: Origin::Environment,
        };
        Source::new(variables.iter().map(variable).collect())
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], names: &[&str], expected: Option<&str>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut source = source(variables);
        let found = source.take(&names).and_then(|variable| variable.value.clone());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn names_are_found_in_any_case() {
        check(&[("app_port", "1")], &["APP_PORT"], Some("1"));
        check(&[("app_port", "1"), ("APP_PORT", "2"), ("App_Port", "3")], &["APP_PORT"], Some("2"));
        check(&[("APP_PORTS", "1")], &["APP_PORT"], None);
    }

    #[test]
    fn the_last_value_counts_and_an_empty_one_does_not() {
        check(&[("A", "1"), ("A", "2")], &["A"], Some("2"));
        check(&[("A", " ")], &["A"], None);
        check(&[("A", ""), ("B", "2")], &["A", "B"], Some("2"));
        check(&[("A", "1"), ("B", "2")], &["A", "B"], Some("1"));
    }

    #[test]
    fn what_belongs_to_nothing_is_a_stranger() {
        let mut source =
            source(&[("A", "1"), ("a", "2"), ("M__X__Y", "3"), ("M__", "4"), ("B", "5")]);
        source.take(&["A".to_owned()]);
        let entries: Vec<_> =
            source.take_entries(&["M".to_owned()]).into_iter().map(|(key, _)| key).collect();
        assert_eq!(entries, ["x__y"]);
        let strangers: Vec<_> = source.strangers().map(|it| it.name.as_str()).collect();
        assert_eq!(strangers, ["M__", "B"]);
        assert!(source.has(&["b".to_owned()]) && !source.has(&["C".to_owned()]));
    }
}

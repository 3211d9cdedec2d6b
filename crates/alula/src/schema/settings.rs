//! Settings: one object from many sources, some of them text.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::detail::Loc;
use super::finding::{Finding, Outcome, Step};
use super::shape::Shape;
use super::single::{from_serde, steps};
use super::walk::Mode;
use super::words;
use crate::validate::{Report, Validate};

/// What is wrong with a setting, without its value, which may be a secret; but a check, and the
/// type, have words of their own.
#[derive(Debug)]
pub(crate) struct SettingMistake {
    /// The way to the value; unlike the `loc` of an answer, without the names of union branches.
    pub(crate) path: Vec<Loc>,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) teller: Teller,
}

/// Whose words a message is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teller {
    /// The walker's, by the schema.
    Schema,
    /// Those of a custom check.
    Check,
    /// Those of the type's own `Deserialize`, which often quotes the value.
    Type,
}

impl Shape {
    /// Reads an object whose values are typed or text.
    ///
    /// Text is coerced as in a query string. A key that no field describes is a mistake.
    pub(crate) fn read_settings<T>(&self, input: &Value) -> Result<T, Vec<SettingMistake>>
    where
        T: DeserializeOwned + Validate,
    {
        let outcome = self.walk(Mode::Settings, input, &[]);
        if !outcome.findings.is_empty() {
            return Err(mistakes(outcome));
        }
        let mut coerced = input.clone();
        // Without a finding, this is no error.
        for edit in outcome.edits("settings").unwrap_or_default() {
            edit.apply(&mut coerced);
        }
        let value: T = serde_path_to_error::deserialize(&coerced).map_err(|error| {
            let path = steps(error.path());
            let detail = from_serde(self, "settings", input, path.clone(), error.inner());
            let kind = detail.kind.into_owned();
            let message = without_value(&detail.msg, &detail.input);
            vec![SettingMistake { path, kind, message, teller: Teller::Type }]
        })?;
        if value.is_valid() {
            return Ok(value);
        }
        Err(self.broken_constraints(input, &value))
    }

    fn broken_constraints<T: Validate>(&self, input: &Value, value: &T) -> Vec<SettingMistake> {
        let mut report = Report::default();
        value.report(&mut report);
        let mistakes = mistakes(self.walk(Mode::Settings, input, &report.into_failures()));
        if !mistakes.is_empty() {
            return mistakes;
        }
        // The walker has seen every value that was set.
        let words = words::value_error("a default breaks a constraint of its type");
        let (kind, message) = (words.kind.to_owned(), words.msg.into_owned());
        vec![SettingMistake { path: vec![], kind, message, teller: Teller::Check }]
    }
}

/// The words of a type, but for the value, which they often quote.
fn without_value(message: &str, value: &Value) -> String {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ['`', '"', '\''].iter().fold(message.to_owned(), |message, quote| {
        message.replace(&format!("{quote}{value}{quote}"), &format!("{quote}…{quote}"))
    })
}

fn mistakes(outcome: Outcome<'_>) -> Vec<SettingMistake> {
    outcome.findings.into_iter().map(mistake).collect()
}

fn mistake(finding: Finding<'_>) -> SettingMistake {
    let Finding { words, path, .. } = finding;
    let teller = if words.are_custom() { Teller::Check } else { Teller::Schema };
    SettingMistake {
        path: path.into_iter().filter(|step| !step.is_label()).map(Step::to_loc).collect(),
        kind: words.kind.to_owned(),
        message: words.msg.into_owned(),
        teller,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_a_type_quotes_is_left_out() {
        let told = |message, value| without_value(message, &value);
        assert_eq!(told("unknown level `canary`", json!("canary")), "unknown level `…`");
        let serde = "invalid value: string \"canary\", expected a level";
        assert_eq!(told(serde, json!("canary")), "invalid value: string \"…\", expected a level");
        assert_eq!(
            told("invalid value: integer `7`, not 17", json!(7)),
            "invalid value: integer `…`, not 17"
        );
        assert_eq!(told("a plain mistake", json!("a")), "a plain mistake");
    }
}

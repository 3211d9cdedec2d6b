//! In which entries is searched, as a condition of a statement.

use std::fmt;

use super::{
    Bind,
    entries::{attribute, list_of},
};
use crate::{
    Attribute,
    search::{Comparison, Filter, Selection},
};

/// A condition on `e`, with its ` AND ` in front. Whatever comes from outside is bound.
#[derive(Debug, PartialEq)]
pub(super) struct Condition(String);

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Condition {
    /// Adds what it compares to to the values of the statement.
    pub(super) fn of(selection: &Selection, binds: &mut Vec<Bind<'_>>) -> Self {
        let mut condition = String::new();
        if !selection.include_archived {
            condition += " AND e.archived = 0";
        }
        if let Some(documents) = &selection.documents {
            let place =
                bind(binds, list_of(documents.iter().filter(|it| !it.contains('\0'))).into());
            condition += &format!(" AND e.document IN {{texts{place}}}");
        }
        if let Some(filter) = &selection.filter {
            condition += " AND ";
            condition += &compare(filter, binds);
        }
        Self(condition)
    }
}

fn bind<'a>(binds: &mut Vec<Bind<'a>>, value: Bind<'a>) -> String {
    binds.push(value);
    format!("${}", binds.len())
}

fn compare(filter: &Filter, binds: &mut Vec<Bind<'_>>) -> String {
    match filter {
        Filter::Compare { key, comparison, value } => {
            let sign = match comparison {
                Comparison::Eq => "=",
                Comparison::Gt => ">",
                Comparison::Gte => ">=",
                Comparison::Lt => "<",
                Comparison::Lte => "<=",
            };
            let value = match (comparison, value) {
                // Truths have no order.
                (Comparison::Eq, _) | (_, Attribute::Text(_) | Attribute::Number(_)) => {
                    is(sign, value, binds)
                }
                (_, Attribute::Bool(_)) => NEVER.to_owned(),
            };
            exists(key, &value, binds)
        }
        Filter::In { key, values } => {
            let values: Vec<_> = values.iter().map(|value| is("=", value, binds)).collect();
            exists(key, &any(&values), binds)
        }
        Filter::Not(inner) => format!("NOT {}", compare(inner, binds)),
        Filter::And(all) if all.is_empty() => "1 = 1".to_owned(),
        Filter::And(all) => {
            let all: Vec<_> = all.iter().map(|it| compare(it, binds)).collect();
            format!("({})", all.join(" AND "))
        }
        Filter::Or(all) => {
            let all: Vec<_> = all.iter().map(|it| compare(it, binds)).collect();
            any(&all)
        }
    }
}

const NEVER: &str = "(1 = 0)";

fn any(all: &[String]) -> String {
    if all.is_empty() { NEVER.to_owned() } else { format!("({})", all.join(" OR ")) }
}

/// A condition on the value of an attribute.
fn is(sign: &str, value: &Attribute, binds: &mut Vec<Bind<'_>>) -> String {
    // For Postgres it is equal to itself, and greater than all others.
    if matches!(value, Attribute::Number(number) if number.is_nan()) {
        return NEVER.to_owned();
    }
    let (kind, text, number) = attribute(value);
    let (column, value) = match text {
        Some(text) => ("text", bind(binds, text.to_owned().into())),
        None => ("number", bind(binds, Bind::Real(number))),
    };
    format!("(a.kind = {kind} AND a.{column} {sign} {value})")
}

fn exists(key: &str, condition: &str, binds: &mut Vec<Bind<'_>>) -> String {
    let key = bind(binds, key.to_owned().into());
    format!(
        "EXISTS (SELECT 1 FROM rag_attributes AS a \
         WHERE a.entry = e.key AND a.name = {key} AND {condition})"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_from_outside_is_part_of_the_statement() {
        let evil = "x' OR 1=1 -- {rows$1}";
        let filter = Filter::parse(&json!({"type": "or", "filters": [
            {"type": "nin", "key": evil, "value": [evil, 1, true]},
            {"type": "lt", "key": "n", "value": 2},
        ]}));
        let selection = Selection {
            filter: Some(filter.unwrap()),
            documents: Some(vec![evil.to_owned()]),
            include_archived: false,
        };
        let mut binds = vec![Bind::Int(7)];
        let condition = Condition::of(&selection, &mut binds).to_string();
        assert!(!condition.contains("1=1") && condition.contains("= $6"), "{condition}");
        assert_eq!(binds.len(), 8);
    }
}

//! What attributes the documents that are searched shall have.

use serde_json::{Map, Value};

use crate::{Attribute, Attributes};

/// How many conditions a filter may have within each other.
pub const FILTER_DEPTH_MAX: usize = 8;
/// How many comparisons a filter may have in all.
pub const FILTER_COMPARISONS_MAX: usize = 64;
/// How many values `in` and `nin` may list.
pub const FILTER_VALUES_MAX: usize = 256;

/// A condition on attributes.
///
/// Values are compared with those of the same type: texts by their characters' numbers, numbers by
/// size; truths are equal or not. A comparison with an attribute that is not there, or of another
/// type, does not hold; `ne` and `nin` hold wherever `eq` and `in` do not.
///
/// ```
/// use alula_rag::{Attributes, search::Filter};
/// use serde_json::json;
///
/// let filter = Filter::parse(&json!({"type": "and", "filters": [
///     {"type": "eq", "key": "kind", "value": "manual"},
///     {"type": "gte", "key": "year", "value": 2025},
/// ]}))?;
/// assert!(filter.holds(&Attributes::default().with("kind", "manual").with("year", 2026.0)));
/// assert!(!filter.holds(&Attributes::default().with("kind", "manual")));
/// # Ok::<(), alula_rag::search::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// An attribute compares to a value like this.
    Compare {
        /// The name of the attribute.
        key: String,
        /// How.
        comparison: Comparison,
        /// To what.
        value: Attribute,
    },
    /// An attribute is one of these.
    In {
        /// The name of the attribute.
        key: String,
        /// The values.
        values: Vec<Attribute>,
    },
    /// This does not hold.
    Not(Box<Self>),
    /// All of these hold.
    And(Vec<Self>),
    /// One of these holds at least.
    Or(Vec<Self>),
}

/// How an attribute compares to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// They are equal.
    Eq,
    /// The attribute is greater.
    Gt,
    /// The attribute is greater, or equal.
    Gte,
    /// The attribute is less.
    Lt,
    /// The attribute is less, or equal.
    Lte,
}

/// Why a filter is none. It says where, as in `filters.filters[0].value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct FilterError {
    /// Where in the filter.
    pub at: String,
    /// What is wrong there.
    pub reason: String,
}

impl Filter {
    /// Reads a filter as OpenAI's vector stores take it: `{"type": "eq", "key": …, "value": …}` with
    /// `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in` or `nin`, and `{"type": "and", "filters": […]}` with
    /// `and` or `or`.
    ///
    /// # Errors
    ///
    /// When it is none, or larger than the limits of this module.
    pub fn parse(json: &Value) -> Result<Self, FilterError> {
        let mut parser = Parser { comparisons: 0 };
        parser.filter(json, "filters", 1)
    }

    /// Whether it holds for these attributes.
    pub fn holds(&self, attributes: &Attributes) -> bool {
        match self {
            Self::Compare { key, comparison, value } => {
                attributes.get(key).is_some_and(|it| comparison.holds(it, value))
            }
            Self::In { key, values } => attributes
                .get(key)
                .is_some_and(|it| values.iter().any(|value| Comparison::Eq.holds(it, value))),
            Self::Not(inner) => !inner.holds(attributes),
            Self::And(all) => all.iter().all(|it| it.holds(attributes)),
            Self::Or(any) => any.iter().any(|it| it.holds(attributes)),
        }
    }
}

impl Comparison {
    fn holds(self, attribute: &Attribute, value: &Attribute) -> bool {
        let order = match (attribute, value) {
            (Attribute::Text(a), Attribute::Text(b)) => Some(a.cmp(b)),
            (Attribute::Number(a), Attribute::Number(b)) => a.partial_cmp(b),
            // Truths have no order.
            (Attribute::Bool(a), Attribute::Bool(b)) => return self == Self::Eq && a == b,
            _ => None,
        };
        order.is_some_and(|order| match self {
            Self::Eq => order.is_eq(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
        })
    }
}

struct Parser {
    comparisons: usize,
}

impl Parser {
    fn filter(&mut self, json: &Value, at: &str, depth: usize) -> Result<Filter, FilterError> {
        let Value::Object(fields) = json else { return Err(error(at, "expected an object")) };
        if depth > FILTER_DEPTH_MAX {
            return Err(error(at, format!("deeper than {FILTER_DEPTH_MAX} conditions")));
        }
        let kind = fields.get("type").and_then(Value::as_str).ok_or_else(|| {
            error(&field(at, "type"), "expected one of eq, ne, gt, gte, lt, lte, in, nin, and, or")
        })?;
        let comparison = match kind {
            "and" => return Ok(Filter::And(self.filters(fields, at, depth)?)),
            "or" => return Ok(Filter::Or(self.filters(fields, at, depth)?)),
            "in" => return self.list(fields, at),
            "nin" => return Ok(Filter::Not(Box::new(self.list(fields, at)?))),
            "eq" | "ne" => Comparison::Eq,
            "gt" => Comparison::Gt,
            "gte" => Comparison::Gte,
            "lt" => Comparison::Lt,
            "lte" => Comparison::Lte,
            other => return Err(error(&field(at, "type"), format!("{other:?} is no comparison"))),
        };
        let key = self.key(fields, at)?;
        let at = field(at, "value");
        let value = value(fields.get("value").unwrap_or(&Value::Null), &at)?;
        if comparison != Comparison::Eq && matches!(value, Attribute::Bool(_)) {
            return Err(error(&at, format!("{kind} compares texts and numbers")));
        }
        let compare = Filter::Compare { key, comparison, value };
        Ok(if kind == "ne" { Filter::Not(Box::new(compare)) } else { compare })
    }

    fn filters(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Vec<Filter>, FilterError> {
        let at = field(at, "filters");
        let list = fields.get("filters").and_then(Value::as_array);
        let list = list.ok_or_else(|| error(&at, "expected a list of filters"))?;
        if list.is_empty() {
            return Err(error(&at, "expected one filter at least"));
        }
        let numbered = list.iter().enumerate();
        numbered.map(|(n, it)| self.filter(it, &format!("{at}[{n}]"), depth + 1)).collect()
    }

    fn list(&mut self, fields: &Map<String, Value>, at: &str) -> Result<Filter, FilterError> {
        let key = self.key(fields, at)?;
        let at = field(at, "value");
        let list = fields.get("value").and_then(Value::as_array);
        let list = list.ok_or_else(|| error(&at, "expected a list of values"))?;
        if list.len() > FILTER_VALUES_MAX {
            return Err(error(&at, format!("more than {FILTER_VALUES_MAX} values")));
        }
        let numbered = list.iter().enumerate();
        let values = numbered.map(|(n, it)| value(it, &format!("{at}[{n}]")));
        Ok(Filter::In { key, values: values.collect::<Result<_, _>>()? })
    }

    fn key(&mut self, fields: &Map<String, Value>, at: &str) -> Result<String, FilterError> {
        self.comparisons += 1;
        if self.comparisons > FILTER_COMPARISONS_MAX {
            return Err(error(at, format!("more than {FILTER_COMPARISONS_MAX} comparisons")));
        }
        let at = field(at, "key");
        let key = fields.get("key").and_then(Value::as_str);
        let key = key.ok_or_else(|| error(&at, "expected the name of an attribute"))?;
        if key.contains('\0') {
            return Err(error(&at, "a name cannot hold the character 0"));
        }
        Ok(key.to_owned())
    }
}

fn value(json: &Value, at: &str) -> Result<Attribute, FilterError> {
    match json {
        Value::String(text) if text.contains('\0') => {
            Err(error(at, "a text cannot hold the character 0"))
        }
        Value::String(text) => Ok(Attribute::Text(text.clone())),
        Value::Bool(truth) => Ok(Attribute::Bool(*truth)),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.is_finite());
            Ok(Attribute::Number(number.ok_or_else(|| error(at, "the number is too large"))?))
        }
        _ => Err(error(at, "expected a text, a number or a truth")),
    }
}

fn field(at: &str, name: &str) -> String {
    format!("{at}.{name}")
}

fn error(at: &str, reason: impl Into<String>) -> FilterError {
    FilterError { at: at.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(filter: &Value, attributes: &Attributes) -> bool {
        Filter::parse(filter).unwrap().holds(attributes)
    }

    #[test]
    fn comparisons() {
        let have = Attributes::default().with("n", 2.0).with("t", "b").with("y", true);
        let compare = |kind: &str, key: &str, value: Value| {
            holds(&json!({"type": kind, "key": key, "value": value}), &have)
        };
        let holding =
            ["eq", "ne", "gt", "gte", "lt", "lte"].map(|kind| compare(kind, "n", 2.into()));
        assert_eq!(holding, [true, false, false, true, false, true]);
        let holding = ["gt", "gte", "lt", "lte"].map(|kind| compare(kind, "t", "a".into()));
        assert_eq!(holding, [true, true, false, false]);
        assert!(compare("eq", "y", true.into()) && compare("ne", "y", false.into()));
        assert!(compare("in", "t", json!(["a", "b"])) && compare("nin", "t", json!(["a"])));
        // Another type, or none at all.
        assert!(!compare("eq", "n", "2".into()) && compare("ne", "n", "2".into()));
        assert!(!compare("lt", "none", 9.into()) && compare("ne", "none", 9.into()));
        assert!(!compare("in", "none", json!([9])) && compare("nin", "none", json!([9])));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let message = |filter: Value| Filter::parse(&filter).unwrap_err().to_string();
        let eq = json!({"type": "eq", "key": "a", "value": 1});
        for (filter, expected) in [
            (json!([]), "filters: expected an object"),
            (json!({"type": "like"}), "filters.type: \"like\" is no comparison"),
            (json!({"type": "eq", "value": 1}), "filters.key: expected the name of an attribute"),
            (
                json!({"type": "and", "filters": [eq, {"type": "eq", "key": "a"}]}),
                "filters.filters[1].value: expected a text, a number or a truth",
            ),
            (json!({"type": "or", "filters": []}), "filters.filters: expected one filter at least"),
            (
                json!({"type": "in", "key": "a", "value": [1, null]}),
                "filters.value[1]: expected a text, a number or a truth",
            ),
            (
                json!({"type": "gt", "key": "a", "value": true}),
                "filters.value: gt compares texts and numbers",
            ),
            (
                json!({"type": "and", "filters": vec![eq.clone(); 65]}),
                "filters.filters[64]: more than 64 comparisons",
            ),
        ] {
            assert_eq!(message(filter), expected);
        }
        let deep = (0..8).fold(eq, |inner, _| json!({"type": "and", "filters": [inner]}));
        assert!(message(deep).ends_with("deeper than 8 conditions"));
    }
}

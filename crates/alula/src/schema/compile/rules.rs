//! Rules of numbers, strings and lists.

use regex::Regex;
use serde_json::{Map, Value};

use super::super::format::Format;
use super::super::node::{Bound, ListRules, NumberRules, Sequence, TextRules};
use super::Compiler;

impl<'s> Compiler<'s> {
    pub(super) fn text(&mut self, map: &'s Map<String, Value>) -> TextRules {
        let pattern = map.get("pattern").and_then(Value::as_str);
        TextRules {
            min: count(map, "minLength"),
            max: count(map, "maxLength"),
            pattern: pattern.and_then(|pattern| self.regex(pattern)),
            format: map.get("format").and_then(Value::as_str).and_then(Format::named),
        }
    }

    pub(super) fn list(&mut self, map: &'s Map<String, Value>) -> ListRules {
        let prefix: Vec<_> = match map.get("prefixItems") {
            Some(Value::Array(schemas)) => schemas
                .iter()
                .enumerate()
                .map(|(at, schema)| self.add(&["prefixItems", &at.to_string()], schema))
                .collect(),
            _ => Vec::new(),
        };
        let unique = map.get("uniqueItems") == Some(&Value::Bool(true));
        ListRules {
            sequence: match (prefix.is_empty(), unique) {
                (false, _) => Sequence::Tuple,
                (true, true) => Sequence::Set,
                (true, false) => Sequence::List,
            },
            prefix,
            items: map.get("items").map(|items| self.add(&["items"], items)),
            min: count(map, "minItems"),
            max: count(map, "maxItems"),
        }
    }

    /// A compiled pattern, or a warning that it is not enforced.
    pub(super) fn regex(&mut self, pattern: &str) -> Option<Regex> {
        match Regex::new(pattern) {
            Ok(regex) => Some(regex),
            Err(_) => {
                self.warn(&format!("pattern `{pattern}` is not enforced, it cannot be compiled"));
                None
            }
        }
    }
}

pub(super) fn count(map: &Map<String, Value>, keyword: &str) -> Option<u64> {
    map.get(keyword).and_then(Value::as_u64)
}

/// The limits of a number, from the keywords and from `format`.
///
/// schemars writes the range of an `i64` only as its format.
pub(super) fn number(map: &Map<String, Value>, integer: bool) -> NumberRules {
    let bound = |keyword| map.get(keyword).and_then(|limit| bound(limit, integer));
    let mut rules = NumberRules {
        multiple_of: bound("multipleOf"),
        le: bound("maximum"),
        lt: bound("exclusiveMaximum"),
        ge: bound("minimum"),
        gt: bound("exclusiveMinimum"),
    };
    let range = map.get("format").and_then(Value::as_str).and_then(natural_range);
    if let Some((least, most)) = range.filter(|_| integer) {
        let least = bound_of_integer(&Value::from(least));
        let most = bound_of_integer(&Value::from(most));
        rules.ge = tighter(rules.ge, least, |limit, natural| limit >= natural);
        rules.le = tighter(rules.le, most, |limit, natural| limit <= natural);
    }
    // Of two limits on one side only the tighter is worth a message.
    if let (Some(gt), Some(ge)) = (&rules.gt, &rules.ge)
        && gt.float >= ge.float
    {
        rules.ge = None;
    }
    if let (Some(lt), Some(le)) = (&rules.lt, &rules.le)
        && lt.float <= le.float
    {
        rules.le = None;
    }
    rules
}

/// Least and most of the integer type behind a format.
pub(crate) fn natural_range(format: &str) -> Option<(i64, u64)> {
    Some(match format {
        "int8" => (i64::from(i8::MIN), u64::from(i8::MAX.unsigned_abs())),
        "int16" => (i64::from(i16::MIN), u64::from(i16::MAX.unsigned_abs())),
        "int32" => (i64::from(i32::MIN), u64::from(i32::MAX.unsigned_abs())),
        "int64" | "int" => (i64::MIN, i64::MAX.unsigned_abs()),
        "uint8" => (0, u64::from(u8::MAX)),
        "uint16" => (0, u64::from(u16::MAX)),
        "uint32" => (0, u64::from(u32::MAX)),
        "uint64" | "uint" => (0, u64::MAX),
        _ => return None,
    })
}

fn tighter(
    limit: Option<Bound>,
    natural: Option<Bound>,
    is_tighter: impl Fn(f64, f64) -> bool,
) -> Option<Bound> {
    match (limit, natural) {
        (Some(limit), Some(natural)) if !is_tighter(limit.float, natural.float) => Some(natural),
        (None, natural) => natural,
        (limit, _) => limit,
    }
}

fn bound(limit: &Value, integer: bool) -> Option<Bound> {
    if integer {
        return bound_of_integer(limit);
    }
    let float = limit.as_f64()?;
    Some(Bound { float, exact: None, ctx: Value::from(float) })
}

fn bound_of_integer(limit: &Value) -> Option<Bound> {
    let float = limit.as_f64()?;
    let exact = match (limit.as_i64(), limit.as_u64()) {
        (Some(whole), _) => Some(i128::from(whole)),
        (None, Some(whole)) => Some(i128::from(whole)),
        (None, None) => whole(float),
    };
    let ctx = exact.and_then(integer_value).unwrap_or_else(|| limit.clone());
    Some(Bound { float, exact, ctx })
}

/// The integer that a float is, when it is one.
pub(in crate::schema) fn whole(float: f64) -> Option<i128> {
    // Through text: there is no checked conversion from floats.
    if float.fract() == 0.0 { format!("{float:.0}").parse().ok() } else { None }
}

/// An integer as JSON holds it, when it fits into 64 bits.
pub(in crate::schema) fn integer_value(whole: i128) -> Option<Value> {
    match (i64::try_from(whole), u64::try_from(whole)) {
        (Ok(whole), _) => Some(Value::from(whole)),
        (Err(_), Ok(whole)) => Some(Value::from(whole)),
        (Err(_), Err(_)) => None,
    }
}

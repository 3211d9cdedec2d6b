//! The words of validation errors: FastAPI's, letter by letter.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::format::Format;
use super::node::{Bound, ChoiceRules, KeyedRules, Sequence, TaggedRules};

/// Kind, message and figures of one error, still without its place and input.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) kind: &'static str,
    pub(super) msg: Cow<'static, str>,
    pub(super) ctx: Option<Value>,
}

impl Words {
    const fn fixed(kind: &'static str, msg: &'static str) -> Self {
        Self { kind, msg: Cow::Borrowed(msg), ctx: None }
    }

    fn with(kind: &'static str, msg: String, ctx: Value) -> Self {
        Self { kind, msg: Cow::Owned(msg), ctx: Some(ctx) }
    }

    /// Whether these are the words of a custom check.
    pub(super) fn are_custom(&self) -> bool {
        let figures = self.ctx.as_ref();
        self.kind == "value_error" && figures.is_some_and(|ctx| ctx.get("error").is_some())
    }
}

pub(super) const MISSING: Words = Words::fixed("missing", "Field required");
pub(super) const EXTRA_FORBIDDEN: Words =
    Words::fixed("extra_forbidden", "Extra inputs are not permitted");
pub(super) const NONE_REQUIRED: Words = Words::fixed("none_required", "Input should be None");
pub(super) const STRING_TYPE: Words = Words::fixed("string_type", "Input should be a valid string");
pub(super) const BOOL_TYPE: Words = Words::fixed("bool_type", "Input should be a valid boolean");
pub(super) const BOOL_PARSING: Words =
    Words::fixed("bool_parsing", "Input should be a valid boolean, unable to interpret input");
pub(super) const INT_TYPE: Words = Words::fixed("int_type", "Input should be a valid integer");
pub(super) const INT_FROM_FLOAT: Words = Words::fixed(
    "int_from_float",
    "Input should be a valid integer, got a number with a fractional part",
);
pub(super) const INT_PARSING: Words = Words::fixed(
    "int_parsing",
    "Input should be a valid integer, unable to parse string as an integer",
);
pub(super) const INT_PARSING_SIZE: Words = Words::fixed(
    "int_parsing_size",
    "Unable to parse input string as an integer, exceeded maximum size",
);
pub(super) const FLOAT_TYPE: Words = Words::fixed("float_type", "Input should be a valid number");
pub(super) const FLOAT_PARSING: Words = Words::fixed(
    "float_parsing",
    "Input should be a valid number, unable to parse string as a number",
);
pub(super) const FINITE_NUMBER: Words =
    Words::fixed("finite_number", "Input should be a finite number");
pub(super) const DICT_TYPE: Words = Words::fixed("dict_type", "Input should be a valid dictionary");
pub(super) const MODEL_TYPE: Words = Words::fixed(
    "model_attributes_type",
    "Input should be a valid dictionary or object to extract fields from",
);

// Pydantic has no words for these.
pub(super) const UNIQUE_ITEMS: Words = Words::fixed("unique_items", "Items should be unique");
pub(super) const NEVER: Words = Words::fixed("never", "No value is permitted here");
pub(super) const TOO_COMPLEX: Words =
    Words::fixed("too_complex", "Input is too deep or too intricate to check");

pub(super) fn sequence_type(sequence: Sequence) -> Words {
    match sequence {
        Sequence::List => Words::fixed("list_type", "Input should be a valid list"),
        Sequence::Set => Words::fixed("set_type", "Input should be a valid set"),
        Sequence::Tuple => Words::fixed("tuple_type", "Input should be a valid tuple"),
    }
}

/// The name of a collection as messages and `ctx` spell it.
pub(super) fn noun(sequence: Sequence) -> &'static str {
    match sequence {
        Sequence::List => "List",
        Sequence::Set => "Set",
        Sequence::Tuple => "Tuple",
    }
}

pub(super) fn too_short(noun: &str, min: u64, actual: usize) -> Words {
    Words::with(
        "too_short",
        format!(
            "{noun} should have at least {} after validation, not {actual}",
            plural(min, "item")
        ),
        json!({"field_type": noun, "min_length": min, "actual_length": actual}),
    )
}

pub(super) fn too_long(noun: &str, max: u64, actual: usize) -> Words {
    Words::with(
        "too_long",
        format!(
            "{noun} should have at most {} after validation, not {actual}",
            plural(max, "item")
        ),
        json!({"field_type": noun, "max_length": max, "actual_length": actual}),
    )
}

/// A map with too many entries; pydantic stops counting at the limit.
pub(super) fn too_many_entries(max: u64) -> Words {
    Words::with(
        "too_long",
        format!(
            "Dictionary should have at most {} after validation, not more",
            plural(max, "item")
        ),
        json!({"field_type": "Dictionary", "max_length": max, "actual_length": null}),
    )
}

pub(super) fn string_too_short(min: u64) -> Words {
    Words::with(
        "string_too_short",
        format!("String should have at least {}", plural(min, "character")),
        json!({"min_length": min}),
    )
}

pub(super) fn string_too_long(max: u64) -> Words {
    Words::with(
        "string_too_long",
        format!("String should have at most {}", plural(max, "character")),
        json!({"max_length": max}),
    )
}

pub(super) fn pattern_mismatch(pattern: &str) -> Words {
    Words::with(
        "string_pattern_mismatch",
        format!("String should match pattern '{pattern}'"),
        json!({"pattern": pattern}),
    )
}

/// Which limit of a number was passed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    MultipleOf,
    Le,
    Lt,
    Ge,
    Gt,
}

pub(super) fn out_of_range(limit: Limit, bound: &Bound) -> Words {
    let (kind, text, key) = match limit {
        Limit::MultipleOf => ("multiple_of", "a multiple of", "multiple_of"),
        Limit::Le => ("less_than_equal", "less than or equal to", "le"),
        Limit::Lt => ("less_than", "less than", "lt"),
        Limit::Ge => ("greater_than_equal", "greater than or equal to", "ge"),
        Limit::Gt => ("greater_than", "greater than", "gt"),
    };
    let shown = match bound.exact {
        Some(whole) => whole.to_string(),
        None => bound.float.to_string(),
    };
    Words::with(kind, format!("Input should be {text} {shown}"), json!({ key: bound.ctx }))
}

pub(super) fn choice(rules: &ChoiceRules) -> Words {
    let kind = if rules.literal { "literal_error" } else { "enum" };
    Words::with(
        kind,
        format!("Input should be {}", rules.expected),
        json!({"expected": rules.expected}),
    )
}

pub(super) fn tag_not_found(rules: &TaggedRules) -> Words {
    let discriminator = format!("'{}'", rules.tag);
    Words::with(
        "union_tag_not_found",
        format!("Unable to extract tag using discriminator {discriminator}"),
        json!({"discriminator": discriminator}),
    )
}

pub(super) fn tag_invalid(rules: &TaggedRules, tag: &Value) -> Words {
    let discriminator = format!("'{}'", rules.tag);
    let tag = python_str(tag);
    let expected = &rules.expected;
    Words::with(
        "union_tag_invalid",
        format!(
            "Input tag '{tag}' found using {discriminator} does not match any of the expected \
             tags: {expected}"
        ),
        json!({"discriminator": discriminator, "tag": tag, "expected_tags": expected}),
    )
}

/// The key of an externally tagged enum is none of its variants.
pub(super) fn key_invalid(rules: &KeyedRules, key: &str) -> Words {
    let expected = &rules.expected;
    Words::with(
        "union_tag_invalid",
        format!("Input tag '{key}' does not match any of the expected tags: {expected}"),
        json!({"tag": key, "expected_tags": expected}),
    )
}

/// The value of an externally tagged enum is neither a name nor an object of one key.
pub(super) fn key_not_found(rules: &KeyedRules) -> Words {
    let expected = &rules.expected;
    Words::with(
        "union_tag_not_found",
        format!("Unable to extract tag, expected one of: {expected}"),
        json!({"expected_tags": expected}),
    )
}

/// A check that no schema can express said no.
pub(super) fn value_error(message: &str) -> Words {
    Words::with("value_error", format!("Value error, {message}"), json!({"error": {}}))
}

pub(super) fn file_type(found: &Value) -> Words {
    let class = match found {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    value_error(&format!("Expected UploadFile, received: <class '{class}'>"))
}

pub(super) fn format_type(format: Format) -> Words {
    match format {
        Format::Uuid => {
            Words::fixed("uuid_type", "UUID input should be a string, bytes or UUID object")
        }
        Format::DateTime => Words::fixed("datetime_type", "Input should be a valid datetime"),
        Format::Date => Words::fixed("date_type", "Input should be a valid date"),
        Format::Time => Words::fixed("time_type", "Input should be a valid time"),
        Format::Uri => Words::fixed("url_type", "URL input should be a string or URL"),
        Format::Email => STRING_TYPE,
        Format::Ipv4 | Format::Ipv6 | Format::Ip => format_parsing(format, ""),
    }
}

/// The text is not what its format asks for, and why.
pub(super) fn format_parsing(format: Format, reason: &str) -> Words {
    let (kind, text) = match format {
        Format::Uuid => ("uuid_parsing", "Input should be a valid UUID"),
        Format::DateTime => {
            ("datetime_from_date_parsing", "Input should be a valid datetime or date")
        }
        Format::Date => ("date_from_datetime_parsing", "Input should be a valid date or datetime"),
        Format::Time => ("time_parsing", "Input should be in a valid time format"),
        Format::Uri => ("url_parsing", "Input should be a valid URL"),
        Format::Email => {
            return Words::with(
                "value_error",
                format!("value is not a valid email address: {reason}"),
                json!({"reason": reason}),
            );
        }
        Format::Ipv4 => {
            return Words::fixed("ip_v4_address", "Input is not a valid IPv4 address");
        }
        Format::Ipv6 => {
            return Words::fixed("ip_v6_address", "Input is not a valid IPv6 address");
        }
        Format::Ip => {
            return Words::fixed("ip_any_address", "value is not a valid IPv4 or IPv6 address");
        }
    };
    Words::with(kind, format!("{text}, {reason}"), json!({"error": reason}))
}

pub(super) const DATE_INEXACT: Words = Words::fixed(
    "date_from_datetime_inexact",
    "Datetimes provided to dates should have zero time - e.g. be exact dates",
);

/// `'a', 'b' or 'c'`
pub(super) fn one_of(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(python_repr).collect();
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

/// A value as Python's `repr` shows it.
pub(super) fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\'', "\\'")),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", shown.join(", "))
        }
        Value::Object(entries) => {
            let shown: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("'{key}': {}", python_repr(value)))
                .collect();
            format!("{{{}}}", shown.join(", "))
        }
    }
}

/// A value as Python's `str` shows it: a string without its quotes.
fn python_str(value: &Value) -> String {
    value.as_str().map_or_else(|| python_repr(value), str::to_owned)
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

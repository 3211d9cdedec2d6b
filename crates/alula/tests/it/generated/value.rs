//! Values that a schema allows, often at a boundary.

use serde_json::{Map, Number, Value, json};

use super::{document::Document, random::Random};

/// Where a value is going, which limits its characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Json,
    /// Text in which everything can be escaped: a path, a query, a form.
    Text,
    /// Text in which nothing can be: headers and cookies.
    Plain,
}

/// Lists and objects deeper than this are as small as they may be.
const DEPTH_MAX: usize = 5;

const SAMPLES: &[(&str, &[&str])] = &[
    ("uuid", &["67e55044-10b1-426f-9247-bb680e5fe0c8", "00000000-0000-0000-0000-000000000000"]),
    ("email", &["a@example.com", "a.b+c@d-e.co"]),
    ("date-time", &["2024-02-29T10:00:00Z", "0001-01-01T00:00:00+01:00"]),
    ("date", &["2024-02-29", "9999-12-31"]),
    ("time", &["10:00:00", "23:59:59Z"]),
    ("uri", &["http://a", "https://example.com/x?y=z#f"]),
    ("ipv4", &["1.2.3.4"]),
    ("ipv6", &["::1"]),
];

/// Makes values of schemas.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    pub(super) document: &'a Document,
    pub(super) random: &'a mut Random,
    pub(super) medium: Medium,
    /// Whether all values so far surely keep their schemas.
    pub(super) sure: bool,
}

impl Maker<'_> {
    pub(super) fn make(&mut self, schema: &Value, depth: usize) -> Value {
        let schema = self.document.resolve(schema).clone();
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return self.random.choose(values).clone();
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf").or(schema.get("oneOf")) {
            let no_null: Vec<&Value> = branches.iter().filter(|it| it["type"] != "null").collect();
            if no_null.len() < branches.len()
                && self.medium == Medium::Json
                && self.random.one_in(3)
            {
                return Value::Null;
            }
            // Inside of deep values, the first branch is usually the smallest.
            let at = if depth > DEPTH_MAX { 0 } else { self.random.below(no_null.len()) };
            let mut value = self.make(no_null[at], depth);
            if let (Value::Object(value), Value::Object(more)) =
                (&mut value, self.members(&schema, depth))
            {
                value.extend(more);
            }
            return value;
        }
        self.of_kind(&schema, depth)
    }

    fn of_kind(&mut self, schema: &Value, depth: usize) -> Value {
        let kind = match &schema["type"] {
            Value::Array(kinds) => {
                let kinds: Vec<&Value> = kinds
                    .iter()
                    .filter(|kind| *kind != "null" || self.medium == Medium::Json)
                    .collect();
                (*self.random.choose(&kinds)).clone()
            }
            kind => kind.clone(),
        };
        match kind.as_str() {
            Some("null") => Value::Null,
            Some("boolean") => self.random.one_in(2).into(),
            Some("integer") => self.integer(schema),
            Some("number") => self.number(schema),
            Some("string") => self.text(schema).into(),
            Some("array") => self.list(schema, depth),
            Some("object") => self.members(schema, depth),
            _ => self.anything(depth),
        }
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema[name].as_number().and_then(Number::as_i128);
        let step = bound("multipleOf").unwrap_or(1).max(1);
        let low = bound("minimum").or(bound("exclusiveMinimum").map(|low| low + 1));
        let high = bound("maximum").or(bound("exclusiveMaximum").map(|high| high - 1));
        let unsigned = schema["format"].as_str().is_some_and(|it| it.starts_with("uint"));
        let widest = if unsigned { u64::MAX.into() } else { i128::from(i64::MAX) };
        let (low, high) = (low.unwrap_or(i64::MIN.into()), high.unwrap_or(widest));
        let number = match self.random.below(6) {
            0 => low,
            1 => high,
            2 => low.max(0).min(high),
            3 => self.random.between(low, high),
            _ => self.random.between(low.max(-20).min(high), high.min(20).max(low)),
        };
        let number = number.div_euclid(step) * step;
        let number = if number < low { number + step } else { number };
        Number::from_i128(number).map_or(json!(0), Value::Number)
    }

    fn number(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema[name].as_f64();
        let (low, high) = (bound("minimum"), bound("maximum"));
        if let Some(step) = bound("multipleOf") {
            self.sure &= low.is_none() && high.is_none();
            return json!(step * self.random.below(9) as f64);
        }
        if let Some(low) = bound("exclusiveMinimum") {
            self.sure &= bound("exclusiveMaximum").is_none_or(|high| high > low);
            let high = bound("exclusiveMaximum").or(high).unwrap_or(low + 2.0);
            return json!(low + (high - low) / 2.0);
        }
        let (low, high) = (low.unwrap_or(-1e9), high.unwrap_or(1e9));
        let part = self.random.below(1001) as f64 / 1000.0;
        match self.random.below(5) {
            0 => json!(low),
            1 => json!(high),
            2 if low <= 0.0 && high >= 0.0 => json!(*self.random.choose(&[0.0, -0.0, 1e-300])),
            _ => json!(low + part * (high - low)),
        }
    }

    pub(super) fn text(&mut self, schema: &Value) -> String {
        let format = schema["format"].as_str().unwrap_or_default();
        if let Some((_, samples)) = SAMPLES.iter().find(|(name, _)| *name == format) {
            return (*self.random.choose(samples)).to_owned();
        }
        self.sure &= schema.get("pattern").is_none();
        let bound = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
        let low = bound("minLength").unwrap_or(0);
        let high = bound("maxLength").unwrap_or(low + 8);
        let length = match self.random.below(4) {
            0 => low,
            1 if high < 200 => high,
            _ => low + self.random.below((high - low).min(12) + 1),
        };
        (0..length).map(|_| self.char()).collect()
    }

    fn char(&mut self) -> char {
        let plain = b"abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-.";
        let odd =
            ['é', '\u{1F600}', '"', '\\', '/', '\n', '\0', ' ', '%', '&', '=', '+', '\u{2028}'];
        if self.medium == Medium::Plain || !self.random.one_in(4) {
            return char::from(*self.random.choose(plain));
        }
        *self.random.choose(&odd)
    }

    fn list(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(Value::Array(items)) = schema.get("prefixItems") {
            return items.iter().map(|item| self.make(item, depth + 1)).collect();
        }
        let bound = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
        let low = bound("minItems").unwrap_or(0);
        let high = bound("maxItems").unwrap_or(low + 3).min(low + 20);
        self.sure &= schema["uniqueItems"] != true;
        let length = if depth > DEPTH_MAX { low } else { low + self.random.below(high - low + 1) };
        (0..length).map(|_| self.make(&schema["items"], depth + 1)).collect()
    }

    fn members(&mut self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let needed = required.iter().any(|it| it == name);
            if needed || depth <= DEPTH_MAX && self.random.one_in(2) {
                members.insert(name.clone(), self.make(property, depth + 1));
            }
        }
        if schema["additionalProperties"].is_object() {
            for _ in 0..self.random.below(3) {
                let name = self.text(&json!({}));
                members.insert(name, self.make(&schema["additionalProperties"], depth + 1));
            }
        }
        members.into()
    }

    /// A value of any kind.
    pub(super) fn anything(&mut self, depth: usize) -> Value {
        match self.random.below(if depth > DEPTH_MAX { 8 } else { 10 }) {
            0 => Value::Null,
            1 => self.random.one_in(2).into(),
            2 => json!(self.random.next()),
            3 => json!(*self.random.choose(&[-1i64, 0, 1, i64::MIN, i64::MAX])),
            4 => json!(*self.random.choose(&[0.5, -0.0, 1e300, 1e-300, 2.0, 1e19])),
            5 => json!(["1", "true", "", "null", "1e5", " 1", "nan"][self.random.below(7)]),
            6 | 7 => self.text(&json!({ "maxLength": 40 })).into(),
            8 => (0..self.random.below(4)).map(|_| self.anything(depth + 1)).collect(),
            _ => {
                let count = self.random.below(4);
                let pair = |maker: &mut Self| (maker.text(&json!({})), maker.anything(depth + 1));
                (0..count).map(|_| pair(self)).collect()
            }
        }
    }
}

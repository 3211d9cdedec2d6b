//! Bodies that FastAPI answered, byte for byte.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{assert_same, fixture};
use crate::schema::json::{Refused, parse};
use crate::schema::{Format, Shape};
use crate::validate::{Report, Validate};

#[derive(Deserialize)]
struct Case {
    path: String,
    name: String,
    request: String,
    answer: String,
}

fn cases() -> Vec<Case> {
    fixture(include_str!("../../../tests/fixtures/fastapi/bodies.json"))
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    System,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Message {
    role: Role,
    #[schemars(length(min = 1, max = 5))]
    content: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Part {
    Text { text: String },
    Img { url: String },
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chat {
    model: String,
    #[schemars(length(min = 1, max = 3))]
    messages: Vec<Message>,
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 2))]
    temperature: f64,
    #[serde(default = "half")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    top_p: f64,
    #[serde(default = "two")]
    #[schemars(extend("multipleOf" = 2))]
    n: i64,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    tag: Option<String>,
    #[serde(default)]
    stream: bool,
    id: Option<Uuid>,
    part: Option<Part>,
    #[serde(default)]
    meta: BTreeMap<String, i64>,
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

fn two() -> i64 {
    2
}

impl Validate for Message {
    fn is_valid(&self) -> bool {
        (1..=5).contains(&self.content.chars().count())
    }
}

impl Validate for Chat {
    fn is_valid(&self) -> bool {
        let tag = self.tag.as_deref().unwrap_or("a");
        (1..=3).contains(&self.messages.len())
            && self.messages.iter().all(Message::is_valid)
            && (0.0..=2.0).contains(&self.temperature)
            && self.top_p > 0.0
            && self.top_p < 1.0
            && self.n % 2 == 0
            && !tag.is_empty()
            && tag.bytes().all(|byte| byte.is_ascii_lowercase())
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum LinkedPart {
    Text {
        #[expect(dead_code, reason = "only read")]
        text: String,
    },
    Img {
        #[schemars(url)]
        url: String,
    },
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    #[schemars(extend("const" = "text"))]
    r#type: String,
    #[expect(dead_code, reason = "only read")]
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct LinkedImage {
    #[schemars(extend("const" = "img"))]
    r#type: String,
    #[schemars(url)]
    url: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Text(Text),
    LinkedImage(LinkedImage),
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only read")]
struct Checked {
    model: String,
    #[serde(default)]
    temperature: f64,
    #[serde(default)]
    n: i64,
    stop: Option<Stop>,
    tag: Option<String>,
    #[serde(default)]
    stream: bool,
    #[schemars(extend("format" = "date-time"))]
    when: Option<String>,
    #[schemars(email)]
    email: Option<String>,
    part: Option<LinkedPart>,
    either: Option<Either>,
    pair: Option<(i64, String)>,
    #[serde(default)]
    messages: Vec<Message>,
}

impl Validate for Checked {
    fn is_valid(&self) -> bool {
        let mut report = Report::default();
        self.report(&mut report);
        let keeps = |format: Format, text: &Option<String>| {
            text.as_deref().is_none_or(|text| format.accepts(text))
        };
        let either = match &self.either {
            None => true,
            Some(Either::Text(text)) => text.r#type == "text",
            Some(Either::LinkedImage(image)) => {
                image.r#type == "img" && Format::Uri.accepts(&image.url)
            }
        };
        let part = match &self.part {
            Some(LinkedPart::Img { url }) => Format::Uri.accepts(url),
            _ => true,
        };
        report.into_failures().is_empty()
            && keeps(Format::DateTime, &self.when)
            && keeps(Format::Email, &self.email)
            && either
            && part
            && self.messages.iter().all(Message::is_valid)
    }

    fn report(&self, report: &mut Report) {
        report.at("model", |report| {
            report.check(if self.model == "bad" { Err("no such model") } else { Ok(()) });
        });
        let boom = self.tag.as_deref() == Some("boom");
        report.check(if boom { Err("tag may not be boom") } else { Ok(()) });
    }
}

impl Serialize for Checked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Messages(Vec<Message>);

impl Validate for Messages {
    fn is_valid(&self) -> bool {
        self.0.iter().all(Message::is_valid)
    }
}

impl Serialize for Messages {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

fn answer<T: DeserializeOwned + Serialize + JsonSchema + Validate>(
    request: &str,
    lax: bool,
) -> String {
    let shape = Shape::compile(schemars::schema_for!(T).as_value());
    assert_eq!(shape.warnings(), [""; 0]);
    match parse::<T>(&shape, request.as_bytes(), lax) {
        Ok(value) => serde_json::to_string(&value).unwrap(),
        Err(Refused::Invalid(details)) => json!({"detail": details}).to_string(),
        Err(Refused::Syntax(detail)) => json!({"detail": [detail]}).to_string(),
        Err(Refused::NotUtf8) => panic!("the requests are text"),
    }
}

fn answer_at(path: &str, request: &str, lax: bool) -> String {
    match path {
        "/chat" => answer::<Chat>(request, lax),
        "/checked" => answer::<Checked>(request, lax),
        "/list" => answer::<Messages>(request, lax),
        other => panic!("{other}"),
    }
}

#[test]
fn lax_answers_are_those_of_fastapi() {
    assert_same(cases().into_iter().map(|case| {
        let found = answer_at(&case.path, &case.request, true);
        (format!("{} {}", case.path, case.name), case.answer, found)
    }));
}

/// What strict reading answers where FastAPI coerces.
const STRICT: [(&str, &str, &str, &str); 7] = [
    ("bool for int", "n", "int_type", "true"),
    ("coerce int str", "n", "int_type", r#""4""#),
    ("coerce float str", "temperature", "float_type", r#""1.5""#),
    ("coerce bool str", "stream", "bool_type", r#""yes""#),
    ("coerce bool int", "stream", "bool_type", "1"),
    ("bad bool str", "stream", "bool_type", r#""maybe""#),
    ("bad float str", "temperature", "float_type", r#""hot""#),
];

#[test]
fn strict_answers_are_those_of_fastapi_save_for_coercions() {
    let chats = || cases().into_iter().filter(|case| case.path == "/chat");
    assert_eq!(chats().count(), 48);
    let differs = |name: &str| STRICT.iter().any(|(strict, ..)| *strict == name);
    assert_same(chats().filter(|case| !differs(&case.name)).map(|case| {
        let found = answer::<Chat>(&case.request, false);
        (case.name, case.answer, found)
    }));
    for (name, field, kind, input) in STRICT {
        let case = chats().find(|case| case.name == name).unwrap();
        let found: Value = serde_json::from_str(&answer::<Chat>(&case.request, false)).unwrap();
        let details = found["detail"].as_array().unwrap();
        assert_eq!(details.len(), 1, "{name}");
        assert_eq!(details[0]["type"], kind, "{name}");
        assert_eq!(details[0]["loc"], json!(["body", field]), "{name}");
        assert_eq!(details[0]["input"].to_string(), input, "{name}");
    }
}

#[test]
fn bytes_that_are_not_text_are_told_apart() {
    let shape = Shape::compile(schemars::schema_for!(Message).as_value());
    let refused = parse::<Message>(&shape, b"{\"role\": \"\xff\"}", false).err();
    assert_eq!(refused, Some(Refused::NotUtf8));
}

//! The bodies that FastAPI answered, sent to the same models as a user of Alula writes them.

use std::collections::BTreeMap;

use alula::{prelude::*, testing::TestClient};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{self, assert_same};

#[derive(Deserialize)]
struct Case {
    path: String,
    name: String,
    request: String,
    answer: String,
}

fn cases(path: &str) -> Vec<Case> {
    let cases: Vec<Case> = fixture::read("bodies.json");
    cases.into_iter().filter(|case| case.path == path).collect()
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    System,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Message {
    role: Role,
    #[schemars(length(min = 1, max = 5))]
    content: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Part {
    Text { text: String },
    Img { url: String },
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
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

async fn chat(Json(chat): Json<Chat>) -> Json<Chat> {
    Json(chat)
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "lowercase")]
enum LinkedPart {
    Text {
        text: String,
    },
    Img {
        #[schemars(url)]
        url: String,
    },
}

/// What else a body may hold. A union of models without a discriminator is left out: the tag of
/// each would be a `Literal`, which Rust has no type for.
#[derive(Deserialize, JsonSchema, Validate)]
#[validate(custom = quiet)]
struct Checked {
    #[validate(custom = known)]
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
    pair: Option<(i64, String)>,
    #[serde(default)]
    messages: Vec<Message>,
}

fn known(model: &str) -> Result<(), &'static str> {
    if model == "bad" { Err("no such model") } else { Ok(()) }
}

fn quiet(checked: &Checked) -> Result<(), &'static str> {
    match checked.tag.as_deref() {
        Some("boom") => Err("tag may not be boom"),
        _ => Ok(()),
    }
}

async fn checked(Json(_): Json<Checked>) -> Json<u8> {
    Json(1)
}

async fn list(Json(_): Json<Vec<Message>>) -> Json<u8> {
    Json(1)
}

/// The endpoints that FastAPI was asked, too, as lax as those.
pub(crate) fn app() -> App {
    let routes = [post("/chat", chat), post("/checked", checked), post("/list", list)];
    App::new("Bodies", "1.0.0").routes(routes).lax()
}

/// The status and the body, the status checked against the body.
async fn answer(client: &TestClient, case: &Case) -> String {
    let request = client.post(&case.path).body("application/json", case.request.clone());
    let response = request.await;
    let refused = response.text().starts_with(r#"{"detail":"#);
    assert_eq!(response.status(), if refused { 422 } else { 200 }, "{}", case.name);
    assert_eq!(response.header("content-type"), "application/json");
    response.text().to_owned()
}

async fn assert_answers_are_fastapis(client: &TestClient, cases: Vec<Case>) {
    let mut answers = Vec::new();
    for case in cases {
        let found = answer(client, &case).await;
        answers.push((format!("{} {}", case.path, case.name), case.answer, found));
    }
    assert_same(answers);
}

#[tokio::test]
async fn a_lax_route_answers_every_body_as_fastapi_does() {
    let client = app().client().await;
    let cases = cases("/chat");
    assert_eq!(cases.len(), 48);
    assert_answers_are_fastapis(&client, cases).await;
}

#[tokio::test]
async fn unions_formats_tuples_and_custom_checks_are_answered_as_fastapi_does() {
    let client = app().client().await;
    let without_literals = |case: &Case| !case.request.contains(r#""either""#);
    let checked: Vec<_> = cases("/checked").into_iter().filter(without_literals).collect();
    assert_eq!(checked.len(), 37);
    assert_answers_are_fastapis(&client, checked).await;
    assert_answers_are_fastapis(&client, cases("/list")).await;
}

#[tokio::test]
async fn a_body_may_not_be_a_list_of_a_structs_fields() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Pair {
        name: String,
        count: u8,
    }
    async fn pair(Json(pair): Json<Pair>) -> Json<String> {
        Json(format!("{} {}", pair.name, pair.count))
    }
    let client = App::new("Bodies", "1.0.0").route(post("/pair", pair)).client().await;
    let response = client.post("/pair").json(&json!(["by position", 1])).await;
    assert_eq!(response.json::<Value>()["detail"][0]["type"], "model_attributes_type");
}

/// What strict reading says where FastAPI coerces: the case, the field, the error, the input.
const STRICT: [(&str, &str, &str, &str); 7] = [
    ("bool for int", "n", "int_type", "true"),
    ("coerce int str", "n", "int_type", r#""4""#),
    ("coerce float str", "temperature", "float_type", r#""1.5""#),
    ("coerce bool str", "stream", "bool_type", r#""yes""#),
    ("coerce bool int", "stream", "bool_type", "1"),
    ("bad bool str", "stream", "bool_type", r#""maybe""#),
    ("bad float str", "temperature", "float_type", r#""hot""#),
];

#[tokio::test]
async fn a_strict_route_differs_in_seven_coercions_and_nowhere_else() {
    let client = App::new("Bodies", "1.0.0").route(post("/chat", chat)).client().await;
    let strict = |case: &Case| STRICT.iter().any(|(name, ..)| *name == case.name);
    let (differing, same): (Vec<_>, Vec<_>) = cases("/chat").into_iter().partition(strict);
    assert_eq!((differing.len(), same.len()), (7, 41));
    assert_answers_are_fastapis(&client, same).await;
    for (name, field, kind, input) in STRICT {
        let case = differing.iter().find(|case| case.name == name).unwrap();
        let answer: Value = serde_json::from_str(&answer(&client, case).await).unwrap();
        let details = answer["detail"].as_array().unwrap();
        assert_eq!(details.len(), 1, "{name}");
        assert_eq!(details[0]["type"], kind, "{name}");
        assert_eq!(details[0]["loc"], json!(["body", field]), "{name}");
        assert_eq!(details[0]["input"].to_string(), input, "{name}");
    }
}

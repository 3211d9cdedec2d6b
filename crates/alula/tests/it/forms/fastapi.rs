//! The forms that FastAPI answered, sent to the same endpoints as a user of Alula writes them.

use alula::{FormLimits, prelude::*};
use serde_json::{Value, json};

use crate::fixture::{self, assert_same};

#[derive(Deserialize)]
struct Case {
    path: String,
    name: String,
    content_type: String,
    /// In Latin-1.
    body: String,
    status: u16,
    answer: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate, Default)]
#[serde(rename_all = "lowercase")]
enum Size {
    #[default]
    Small,
    Large,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Order {
    #[schemars(length(min = 2, max = 8))]
    item: String,
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    count: i64,
    #[serde(default = "one_and_a_half")]
    price: f64,
    #[serde(default)]
    gift: bool,
    #[serde(default)]
    size: Size,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    note: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    #[schemars(length(max = 3))]
    numbers: Vec<i64>,
}

fn one() -> i64 {
    1
}

fn one_and_a_half() -> f64 {
    1.5
}

async fn order(Form(order): Form<Order>) -> Json<Order> {
    Json(order)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: i64,
    b: Option<String>,
}

async fn strict(Form(strict): Form<Strict>) -> Json<Strict> {
    Json(strict)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    #[schemars(length(min = 2))]
    title: String,
    file: UploadFile,
    cover: Option<UploadFile>,
    #[serde(default)]
    more: Vec<UploadFile>,
    #[serde(default = "one")]
    count: i64,
    #[serde(default)]
    size: Size,
    #[serde(default)]
    tags: Vec<String>,
}

fn shown(file: &UploadFile) -> Value {
    let name = file.file_name().unwrap_or_default();
    json!({ "name": name, "type": file.content_type(), "size": file.size() })
}

async fn upload(Multipart(form): Multipart<Upload>) -> Json<Value> {
    Json(json!({
        "title": form.title,
        "file": shown(&form.file),
        "cover": form.cover.as_ref().map(shown),
        "more": form.more.iter().map(shown).collect::<Vec<_>>(),
        "count": form.count,
        "size": form.size,
        "tags": form.tags,
    }))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Files {
    #[schemars(length(min = 1, max = 2))]
    files: Vec<UploadFile>,
}

async fn files(Multipart(form): Multipart<Files>) -> Json<Vec<Value>> {
    Json(form.files.iter().map(shown).collect())
}

async fn few(Multipart(_): Multipart<Upload>) -> Json<u8> {
    Json(1)
}

fn app() -> App {
    App::new("Forms", "1.0.0").routes([
        post("/order", order),
        post("/strict", strict),
        post("/upload", upload),
        post("/files", files),
        post("/few", few).form_limits(FormLimits::default().fields(1).files(1)),
        post("/few-fields", order).form_limits(FormLimits::default().fields(2)),
    ])
}

/// What is answered otherwise, on purpose: the case, the status and the detail.
const OTHERWISE: [(&str, u16, &str); 5] = [
    ("preamble", 400, "Invalid multipart data: the body does not begin with the boundary"),
    ("wrong boundary", 400, "Invalid multipart data: the body does not begin with the boundary"),
    ("broken head", 400, "Invalid multipart data: the head of a part cannot be read"),
    ("folded head", 400, "Invalid multipart data: the head of a part cannot be read"),
    ("no content type", 422, ""),
];

/// FastAPI shows the insides of its files.
fn hide_insides(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            if entries.shift_remove("_max_mem_size").is_some() {
                entries.shift_remove("file");
            }
            entries.values_mut().for_each(hide_insides);
        }
        Value::Array(items) => items.iter_mut().for_each(hide_insides),
        _ => {}
    }
}

#[tokio::test]
async fn forms_are_answered_as_fastapi_does() {
    let client = app().client().await;
    let cases: Vec<Case> = fixture::read("forms.json");
    assert!(cases.len() > 100);
    let mut answers = Vec::new();
    for mut case in cases {
        let body: Vec<u8> = case.body.chars().map(|byte| u8::try_from(byte).unwrap()).collect();
        let response = client.post(&case.path).body(&case.content_type, body).await;
        let otherwise = OTHERWISE.iter().find(|(name, ..)| *name == case.name);
        if let Some((_, status, detail)) = otherwise.filter(|(_, _, detail)| !detail.is_empty()) {
            case.status = *status;
            case.answer = json!({ "detail": detail }).to_string();
        }
        if case.answer.contains("_max_mem_size") {
            let mut answer: Value = serde_json::from_str(&case.answer).unwrap();
            hide_insides(&mut answer);
            case.answer = answer.to_string();
        }
        answers.push((
            format!("{} {}", case.path, case.name),
            format!("{} {}", case.status, case.answer),
            format!("{} {}", response.status().as_u16(), response.text()),
        ));
    }
    assert_same(answers);
}

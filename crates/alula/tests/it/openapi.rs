//! The OpenAPI document.

use std::{
    io::Write as _,
    path::{Path as FilePath, PathBuf},
    process::{Command, Stdio},
};

use alula::prelude::*;
use serde_json::{Value, json};

use crate::{bodies, fixture, kitchen, parameters, tool};

fn document(app: App) -> Value {
    app.openapi().unwrap_or_else(|error| panic!("{error}"))
}

fn snapshot_path() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/openapi.json")
}

#[test]
fn the_document_is_the_committed_one() {
    let found = format!("{:#}\n", document(kitchen::app()));
    let path = snapshot_path();
    if tool::setting("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(difference) = difference(&expected, &found) {
        panic!(
            "the document changed:\n{difference}\n\n\
             If that is meant, run the test with UPDATE_SNAPSHOTS=1 and commit {}.",
            path.display()
        );
    }
}

/// The first lines that differ, with what stands before them.
fn difference(expected: &str, found: &str) -> Option<String> {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = expected.iter().zip(&found).take_while(|(expected, found)| expected == found);
    let at = same.count();
    if at == expected.len() && at == found.len() {
        return None;
    }
    let part = |lines: &[&str], from: usize, to: usize, sign: char| {
        let lines = lines.get(from..to.min(lines.len())).unwrap_or_default();
        lines.iter().map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let before = part(&expected, at.saturating_sub(5), at, ' ');
    let (old, new) = (part(&expected, at, at + 10, '-'), part(&found, at, at + 10, '+'));
    Some(format!("line {}:\n{before}{old}{new}", at + 1))
}

#[test]
fn the_difference_of_two_texts_is_where_they_part() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "line 2:\n  a\n- b\n+ c\n");
    assert_eq!(difference("a\n", "a\nb\n").unwrap(), "line 2:\n  a\n+ b\n");
}

/// Reads a document from its input and prints what is wrong with it.
const VALIDATOR: &str = "
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
errors = list(OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors())
for error in errors:
    print('/'.join(map(str, error.absolute_path)), error.message[:500])
sys.exit(bool(errors))
";

/// What a validator that is not ours says of a document.
fn validate(python: &FilePath, document: &Value) -> Result<(), String> {
    let mut validator = Command::new(python)
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = validator.stdin.take().unwrap();
    stdin.write_all(document.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = validator.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
}

#[test]
fn the_document_passes_a_validator_that_is_not_ours() {
    let Some(python) = tool::python() else {
        return tool::skipped("no Python with openapi-spec-validator; see ALULA_TEST_PYTHON");
    };
    let good = document(kitchen::app());
    assert_eq!(validate(&python, &good), Ok(()));

    let mut broken = good;
    broken["paths"]["/v1/dishes"]["get"]["parameters"][0]["in"] = json!("nowhere");
    assert!(validate(&python, &broken).is_err(), "the validator finds a mistake");
}

#[test]
fn the_document_is_the_same_every_time() {
    let first = document(kitchen::app()).to_string();
    for _ in 0..5 {
        assert_eq!(document(kitchen::app()).to_string(), first);
    }
}

/// A document in FastAPI's way of saying it: no formats and no limits of 64 bits for numbers, null
/// in a union.
fn in_fastapis_words(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(in_fastapis_words);
            map.retain(|key, value| match key.as_str() {
                "title" => !value.is_string(),
                "format" => value != "int64" && value != "double",
                "minimum" => *value != i64::MIN,
                "maximum" => *value != i64::MAX,
                _ => true,
            });
            let nullable = map.get("type").and_then(Value::as_array).cloned();
            if let Some([kind, _null]) = nullable.as_deref() {
                map.insert("type".to_owned(), kind.clone());
                *value = json!({ "anyOf": [std::mem::take(map), { "type": "null" }] });
            }
        }
        Value::Array(values) => values.iter_mut().for_each(in_fastapis_words),
        _ => {}
    }
}

#[test]
fn parameters_bodies_and_their_errors_are_described_as_in_fastapi() {
    let mut theirs: Value = fixture::read("openapi.json");
    in_fastapis_words(&mut theirs);
    let mut compared = 0;
    for app in [parameters::app(), bodies::app()] {
        // FastAPI's endpoint does not say that it returns the body, so the type has one form.
        let ours = document(app).to_string().replace("Chat-Input", "Chat");
        let mut ours: Value = serde_json::from_str(&ours).unwrap();
        in_fastapis_words(&mut ours);
        for (path, item) in ours["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let expected = &theirs["paths"][path][method];
                for part in ["/parameters", "/requestBody", "/responses/422"] {
                    let (found, expected) = (operation.pointer(part), expected.pointer(part));
                    assert_eq!(found, expected, "{method} {path}{part}");
                    compared += usize::from(found.is_some());
                }
            }
        }
        for name in ["HTTPValidationError", "ValidationError", "Role", "Order", "Message", "In"] {
            let schema = |document: &Value| document["components"]["schemas"].get(name).cloned();
            if let Some(found) = schema(&ours) {
                assert_eq!(Some(found), schema(&theirs), "{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 34);
}

fn empty() -> App {
    App::new("Test", "1.0.0")
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Item {
    id: u32,
}

#[test]
fn what_a_hidden_endpoint_is_made_of_is_hidden_too() {
    #[get("/hidden", hidden)]
    async fn secret(_key: ApiKey, Json(item): Json<Item>) -> Json<Item> {
        Json(item)
    }
    let document = document(empty().routes(routes![secret]));
    assert_eq!(document["paths"], json!({}));
    assert!(document["components"].get("securitySchemes").is_none());
    assert!(document["components"]["schemas"].get("Item").is_none());
}

#[test]
fn two_kinds_of_json_are_both_described() {
    async fn either() -> Either<Json<Item>, Json<Vec<u8>>> {
        Either::Right(Json(Vec::new()))
    }
    let document = document(empty().route(get("/", either)));
    let schema = &document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"];
    assert_eq!(schema["schema"]["anyOf"][0]["$ref"], "#/components/schemas/Item");
    assert_eq!(schema["schema"]["anyOf"][1]["type"], "array");
}

#[tokio::test]
async fn no_content_keeps_the_status_that_the_route_gives_it() {
    async fn nothing() {}
    async fn accepted() -> Status<202, ()> {
        Status(())
    }
    let app = || {
        empty()
            .route(get("/", nothing))
            .route(post("/", nothing).status(202))
            .route(put("/", accepted))
    };
    let client = app().client().await;
    assert_eq!(client.get("/").await.status(), 204);
    assert_eq!(client.post("/").await.status(), 202);
    assert_eq!(client.put("/").await.status(), 202);
    let item = &document(app())["paths"]["/"];
    assert!(item["get"]["responses"]["204"].is_object());
    assert!(item["post"]["responses"]["202"].is_object());
    assert!(item["put"]["responses"]["202"].is_object());
}

#[tokio::test]
async fn a_head_request_is_answered_as_a_get_and_not_described() {
    let client = parameters::app().client().await;
    let response = client.head("/path/7").await;
    assert_eq!((response.status().as_u16(), response.text()), (200, ""));
    assert_eq!(response.header("content-length"), "1");
    assert_eq!(client.head("/path/x").await.status(), 422);
    let document = document(parameters::app());
    assert!(document["paths"]["/path/{id}"].get("head").is_none());
}

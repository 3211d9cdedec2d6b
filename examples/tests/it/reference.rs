//! The parts of the book's reference that are made from what the framework does.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p examples --test it reference` writes them anew.

use std::{collections::BTreeMap, fmt::Debug, fmt::Write as _, fs, path::Path, time::Duration};

use alula::{FormLimits, Limits, prelude::*, testing::TestRequest, ws};
use serde_json::{Value, json};

#[track_caller]
fn is_committed(page: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(page);
    #[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "docs/reference/{page} is not what the code does:\n{found}");
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Number {
    #[serde(rename = "number")]
    _number: u8,
}

#[post("/json", max_body = 32)]
async fn body(Json(_): Json<Number>) {}

#[get("/secret")]
async fn secret(_: Bearer) {}

#[get("/panic")]
async fn panics() {
    panic!("a mistake of the program")
}

#[get("/slow", timeout_seconds = 1)]
async fn slow() {
    std::future::pending::<()>().await;
}

#[post("/form")]
async fn form(Form(_): Form<Number>) {}

#[tokio::test(start_paused = true)]
async fn errors_of_the_framework() {
    let app = App::new("Errors", "1.0.0").routes(routes![body, secret, panics, slow, form]);
    let client = app.client().await;
    let text = |request: TestRequest<'static>, text: &'static str| request.body("text/plain", text);
    let client: &'static _ = Box::leak(Box::new(client));
    let json = |text: &'static str| client.post("/json").body("application/json", text);
    let rows: Vec<(&str, TestRequest<'static>)> = vec![
        ("JSON that cannot be parsed", json("{")),
        ("values that do not fit their types", json(r#"{"number": 300}"#)),
        ("a body that is not UTF-8", client.post("/json").body("application/json", &b"\xff"[..])),
        ("no credentials", client.get("/secret")),
        ("a path that is not routed", client.get("/nowhere")),
        ("a method that is not routed", client.get("/json")),
        ("a body larger than `max_body`", json("                                 ")),
        ("a content type that is not read", text(client.post("/json"), "x")),
        ("a form in another encoding", text(client.post("/form"), "x")),
        ("a panic, or `?` on an error that nobody handles", client.get("/panic")),
        ("an endpoint that is slower than its `timeout`", client.get("/slow")),
    ];
    let mut page = String::from(
        "# Errors\n\n\
         This page is made from what the framework answers.\n\n\
         ## Answers\n\n\
         Every error is JSON in the form of FastAPI unless \
         [another is chosen](../tutorial/errors.md), and carries `x-request-id`.\n\n\
         | when | status | `detail` |\n|---|---|---|\n",
    );
    for (when, request) in rows {
        let answer = request.await;
        let detail = match &answer.json::<Value>()["detail"] {
            Value::String(text) => text.clone(),
            list => format!("a list; its first `type` is `{}`", list[0]["type"].as_str().unwrap()),
        };
        writeln!(page, "| {when} | {} | {detail} |", answer.status().as_u16()).unwrap();
    }
    page.push_str(
        "\nThe server adds 400 without exactly one `Host`, 408 for a body that stalls, \
         431 for a head that is too large, and 503 with too many connections.\n\n\
         ## Entries of a list\n\n\
         A request that is not valid is answered 422 with a list of all mistakes. Each has a \
         `type`, a `loc`, a `msg`, the `input`, and a `ctx` where the message has figures.\n\n\
         | `type` | for example | `ctx` |\n|---|---|---|\n",
    );
    for (kind, (message, context)) in known_mistakes() {
        let message = message.replace('|', "\\|").replace('\n', " ");
        writeln!(page, "| `{kind}` | {message} | {} |", context.join(", ")).unwrap();
    }
    is_committed("errors.md", &page);
}

/// Every type of entry among the answers of FastAPI that the framework is held to.
fn known_mistakes() -> BTreeMap<String, (String, Vec<String>)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/alula/tests/fixtures/fastapi");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let mut mistakes = BTreeMap::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|it| it == "json")) {
        collect(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap(), &mut mistakes);
    }
    mistakes
}

fn collect(value: &Value, mistakes: &mut BTreeMap<String, (String, Vec<String>)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, mistakes)),
        Value::Object(object) => {
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            if let (Some(kind), Some(message), true) =
                (text("type"), text("msg"), object.contains_key("loc"))
            {
                let context = object.get("ctx").and_then(Value::as_object);
                let names = context.into_iter().flat_map(|context| context.keys());
                let names = names.map(|name| format!("`{name}`")).collect();
                mistakes.entry(kind.to_owned()).or_insert_with(|| (message.to_owned(), names));
            }
            object.values().for_each(|value| collect(value, mistakes));
        }
        // Recorded answers are text.
        Value::String(text) if text.starts_with("{\"detail\"") => {
            if let Ok(answer) = serde_json::from_str(text) {
                collect(&answer, mistakes);
            }
        }
        _ => {}
    }
}

#[test]
fn limits() {
    let mut page = String::from(
        "# Limits\n\n\
         This page is made from the defaults of the types. Sizes are in bytes.\n\n\
         ## `Limits`: what the server grants to a client\n\n",
    );
    page.push_str(&fields(&Limits::default()));
    page.push_str("\n## `FormLimits`: what a form may have\n\n");
    page.push_str(&fields(&FormLimits::default()));
    page.push_str("\n## `ws::Limits`: what a WebSocket may have\n\n");
    page.push_str(&fields(&ws::Limits::default()));
    page.push_str("\nWhat each of them means is in the documentation of its type.\n");
    is_committed("limits.md", &page);
}

/// The fields of a struct as a table.
fn fields(limits: &dyn Debug) -> String {
    let text = format!("{limits:#?}");
    let rows = text.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(": "));
    let mut table = String::from("| limit | default |\n|---|---|\n");
    for (name, value) in rows {
        let value = match value {
            "None" | "18446744073709551615" => "none",
            "0ns" => "0s",
            value => value,
        };
        writeln!(table, "| `{name}` | {value} |").unwrap();
    }
    table
}

#[test]
fn a_table_shows_what_a_type_says() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "only shown")]
    struct Example {
        wait: Duration,
        files: usize,
    }
    let table = fields(&Example { wait: Duration::from_secs(10), files: 3 });
    assert!(table.ends_with("| `wait` | 10s |\n| `files` | 3 |\n"), "{table}");
    let mut mistakes = BTreeMap::new();
    collect(&json!([{ "type": "missing", "loc": [], "msg": "Field required" }]), &mut mistakes);
    assert!(mistakes.contains_key("missing"));
}

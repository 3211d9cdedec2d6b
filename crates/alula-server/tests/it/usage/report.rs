//! What the ledger says.

use alula_llm::testing::{FakeProvider, Fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{MODEL, question, serve_fake};
use crate::process::{Alula, alula, serve};

/// A server that has made six calls: four of a model with a price, one without, and one that
/// failed.
async fn used(database: &str) -> (FakeProvider, Alula) {
    let fake = FakeProvider::start().await;
    fake.turn().then(Fault::Status(400));
    fake.always().says("Hi").usage(1_000, 100);
    let alula = serve_fake(&fake).env("DATABASE_URL", database).listen();
    alula.post("/chat", &question("openai/=cmd")).await.is(400);
    for model in [MODEL, MODEL, MODEL, MODEL, "openai/unpriced"] {
        alula.post("/chat", &question(model)).await.is(200);
    }
    alula.calls(6).await;
    (fake, alula)
}

fn values<'a>(lines: &'a Value, name: &str) -> Vec<&'a Value> {
    lines.as_array().unwrap().iter().map(|line| &line[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_added_up_by_what_is_asked_for() {
    let (_fake, alula) = used("sqlite::memory:").await;
    let report = alula.get("/admin/usage?group_by=model").await.is(200);
    assert_eq!(report["time_zone"], "UTC");
    let lines = &report["data"];
    assert_eq!(values(lines, "model"), ["=cmd", "gpt-4o-mini", "unpriced"]);
    assert_eq!(values(lines, "calls"), [1, 4, 1]);
    assert_eq!(values(lines, "failed_calls"), [1, 0, 0]);
    assert_eq!(values(lines, "cost_micro_usd"), [&Value::Null, &json!(840), &Value::Null]);
    assert_eq!(values(lines, "calls_without_cost"), [1, 0, 1]);
    let totals = &report["totals"];
    assert_eq!((&totals["calls"], &totals["input_tokens"]), (&json!(6), &json!(5_000)));
    assert_eq!(
        (&totals["cost_usd"], &totals["calls_without_cost"]),
        (&json!("0.00084"), &json!(2))
    );

    let days = alula.get("/admin/usage").await.is(200);
    let whole = values(&days["data"], "calls").iter().map(|it| it.as_u64().unwrap()).sum::<u64>();
    assert_eq!(whole, 6);
    let failed = alula.get("/admin/usage?group_by=provider,status&status=failed").await.is(200);
    assert_eq!(values(&failed["data"], "provider"), ["openai"]);
    let other = alula.get("/admin/usage?model=gpt-4o-mini&provider=anthropic").await.is(200);
    assert_eq!((&other["data"], &other["totals"]["calls"]), (&json!([]), &json!(0)));
    let before = alula.get("/admin/usage?to=2020-01-01&from=2019-01-01").await.is(200);
    assert_eq!(before["to"], "2020-01-02T00:00:00.000Z");
    assert_eq!(before["totals"]["calls"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_in_pages() {
    let (_fake, alula) = used("sqlite::memory:").await;
    for path in ["/admin/usage?group_by=model,key&limit=1", "/admin/usage/calls?limit=2"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..3 {
            let page = alula.get(&format!("{path}{cursor}")).await.is(200);
            found.extend(page["data"].as_array().unwrap().clone());
            cursor = match page["next_cursor"].as_str() {
                Some(next) => format!("&cursor={next}"),
                None => String::new(),
            };
        }
        assert_eq!(cursor, "", "there are three pages");
        let whole = path.split_once("&limit").or_else(|| path.split_once("?limit")).unwrap().0;
        assert_eq!(Value::from(found), alula.get(whole).await.is(200)["data"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spreadsheet_gets_texts_that_are_no_formulas() {
    let (_fake, alula) = used("sqlite::memory:").await;
    let csv = alula.get("/admin/usage?group_by=model&format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"usage.csv\"");
    let lines: Vec<&str> = csv.text.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("model,calls,failed_calls,"), "{csv:?}");
    assert_eq!(lines[1], "\"'=cmd\",1,1,0,0,1,0,0,0,0,0,0,0,,");
    assert_eq!(lines[2], "gpt-4o-mini,4,0,0,0,0,4000,400,0,0,0,0,0,840,0.00084");
    assert_eq!(lines.len(), 4);
    let request = crate::client::http().get(alula.url("/admin/usage/calls"));
    let calls = crate::client::Answer::of(request.header("accept", "text/csv")).await;
    assert!(calls.text.starts_with("id,at,request_id,key,key_name,operation,"), "{calls:?}");
    assert_eq!(calls.text.lines().count(), 7);
    assert!(calls.text.contains(",openai/=cmd,openai,\"'=cmd\","), "{calls:?}");
}

#[tokio::test]
async fn mistakes_are_named() {
    let alula = serve().listen();
    for (query, expected) in [
        ("from=yesterday", "from: \"yesterday\" is neither a day"),
        ("to=2026-02-30", "to: \"2026-02-30\" is neither a day"),
        ("group_by=week", "\"week\" is nothing to add up by"),
        ("cursor=x", "the cursor is not one of this report"),
    ] {
        let detail = alula.get(&format!("/admin/usage?{query}")).await.detail(422);
        assert!(detail.starts_with(expected), "{query}: {detail}");
    }
    for query in ["limit=0", "limit=100000", "status=lost", "format=xml"] {
        let error = alula.get(&format!("/admin/usage?{query}")).await.is(422);
        assert_eq!(error["detail"][0]["loc"][0], "query", "{query}: {error}");
    }
    let detail = alula.get("/admin/usage/calls?cursor=x").await.detail(422);
    assert_eq!(detail, "the cursor is not one of this report");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reads_the_same() {
    let dir = TempDir::new().unwrap();
    let database = format!("sqlite://{}", dir.path().join("a.db").display());
    let (_fake, server) = used(&database).await;
    drop(server);
    let usage = |arguments: &[&str]| {
        alula(&[&["usage"], arguments].concat()).env("DATABASE_URL", &database).end()
    };
    let table = usage(&["--by", "model"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let lines: Vec<Vec<&str>> =
        table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["model", "calls", "failed", "unpriced", "input", "output", "usd"]);
    assert_eq!(lines[1], ["=cmd", "1", "1", "1", "0", "0", "?"]);
    assert_eq!(lines[2], ["gpt-4o-mini", "4", "0", "0", "4000", "400", "0.00084"]);
    assert_eq!(lines[3], ["unpriced", "1", "0", "1", "1000", "100", "?"]);
    assert_eq!(lines[4], ["total", "6", "1", "2", "5000", "500", "0.00084"]);
    let json = usage(&["--by", "provider", "--status", "answered", "--json"]);
    let line: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&line["provider"], &line["calls"]), (&json!("openai"), &json!(5)));
    let csv = usage(&["--by", "model", "--csv", "--model", "gpt-4o-mini"]);
    assert!(csv.stdout.contains("gpt-4o-mini,4,0,"), "{csv:?}");
    let mistake = usage(&["--by", "week"]);
    assert_eq!(mistake.code, Some(2), "{mistake:?}");
    assert!(mistake.stderr.contains("\"week\" is nothing to add up by"), "{mistake:?}");
}

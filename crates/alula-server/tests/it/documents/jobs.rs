//! Documents while their jobs are at them.

use std::fs;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{behind_its_back, count_objects, files::pdf, form::Form, over};
use crate::{
    keyed::until,
    process::{Alula, PATIENCE, Start, serve},
    upstream::{Call, Upstream, answer},
    webhooks::{SECRET, header, verified},
};

/// Enough text for more chunks than are given vectors at a time.
fn long() -> String {
    (0..9_000).map(|number| format!("Sentence number {number} says something. ")).collect()
}

/// A server whose embeddings come from there.
pub(super) fn embedding(start: Start, upstream: &Upstream) -> Start {
    start
        .env("OPENAI_API_KEY", "sk-test")
        .env("OPENAI_BASE_URL", upstream.url())
        .env("ALULA_EMBEDDING_MODEL", "openai/embed")
        .env("ALULA_ATTEMPTS", "1")
        .env("ALULA_JOBS_LEASE_SECONDS", "1")
}

fn telling(start: Start) -> Start {
    start.env("ALULA_WEBHOOK_SECRET", SECRET).env("ALULA_WEBHOOK_ALLOW", "127.0.0.0/8")
}

/// How many texts a call asks vectors for.
fn texts(call: &Call) -> usize {
    call.body["input"].as_array().map_or(1, Vec::len)
}

/// Answers a call with vectors.
pub(super) async fn embed(call: Call) {
    let data: Vec<Value> = (0..texts(&call))
        .map(|index| json!({"object": "embedding", "index": index, "embedding": [1.0, 0.5]}))
        .collect();
    let body = json!({"object": "list", "model": "embed", "data": data,
        "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    call.answer(&answer("200 OK", &body.to_string())).await;
}

#[tokio::test]
async fn the_same_bytes_are_the_same_document() {
    let receiver = Upstream::start();
    let alula = telling(serve()).listen();
    let form = |hook: usize| {
        let url = format!("{}/{hook}", receiver.url());
        Form::default().file("file", "a.txt", "A kestrel hovers.").text("callback_url", &url)
    };
    let uploads = (0..6).map(|hook| alula.form("/documents/upload", form(hook)));
    let answers = futures_util::future::join_all(uploads).await;
    let first = answers[0].is(202);
    for answer in &answers {
        let accepted = answer.is(202);
        assert_eq!(accepted["document_id"], first["document_id"]);
        assert_eq!(accepted["job_id"], first["job_id"]);
    }
    let id = alula.ready(&first).await;
    // Once more, when it is ready.
    let again = alula.form("/documents/upload", form(6)).await.is(202);
    assert_eq!((&again["document_id"], &again["status"]), (&json!(id), &json!("ready")));
    let mut told = Vec::new();
    for _ in 0..7 {
        let call = receiver.call().await;
        let message = verified(&call, SECRET);
        assert_eq!(
            (&message["type"], &message["data"]["document_id"]),
            (&json!("document.ready"), &json!(id))
        );
        told.push(call.head.split(' ').nth(1).unwrap().to_owned());
        call.answer(&answer("200 OK", "{}")).await;
    }
    told.sort();
    assert_eq!(told, ["/0", "/1", "/2", "/3", "/4", "/5", "/6"]);
    let listed = alula.get("/documents").await.is(200);
    assert_eq!(listed["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_document_that_fails_is_told_and_may_be_tried_again() {
    let (receiver, upstream) = (Upstream::start(), Upstream::start());
    let start = embedding(telling(serve()), &upstream).env("ALULA_JOBS_ATTEMPTS", "1");
    let alula = start.listen();
    let url = format!("{}/hook", receiver.url());
    let form = Form::default().file("file", "a.txt", "A lark sings.").text("callback_url", &url);
    let accepted = alula.form("/documents/upload", form).await.is(202);
    upstream
        .call()
        .await
        .answer(&answer("400 Bad Request", r#"{"error": {"message": "no"}}"#))
        .await;
    let call = receiver.call().await;
    let message = verified(&call, SECRET);
    assert_eq!(message["type"], "document.failed");
    assert_eq!(message["data"]["code"], "embedding_failed", "{message}");
    let failure = header(&call, "webhook-id").to_owned();
    assert!(!failure.is_empty());
    call.answer(&answer("200 OK", "{}")).await;
    let status = alula.processed(&accepted).await;
    assert_eq!(
        (&status["step"], &status["progress"]["done"]),
        (&json!("embed"), &json!(2)),
        "{status}"
    );
    let of_job = format!("/jobs/{}/retry", accepted["job_id"].as_str().unwrap());
    alula.post(&of_job, &json!({})).await.detail(409);
    let url = format!("/documents/{}/retry", accepted["document_id"].as_str().unwrap());
    let again = alula.post(&url, &json!({})).await.is(202);
    assert_eq!(again["job_id"], accepted["job_id"], "it goes on where it failed");
    embed(upstream.call().await).await;
    let id = alula.ready(&again).await;
    assert_eq!(alula.get(&format!("/documents/{id}")).await.is(200)["embedded"], 1);
    // Who was told of the failure is told of this.
    let call = receiver.call().await;
    let message = verified(&call, SECRET);
    assert_eq!(
        (&message["type"], &message["data"]["document_id"]),
        (&json!("document.ready"), &json!(id))
    );
    assert_ne!(header(&call, "webhook-id"), failure);
    call.answer(&answer("200 OK", "{}")).await;
}

/// The first time it was sent as something else.
#[tokio::test]
async fn a_document_that_has_failed_begins_anew_as_it_is_sent_again() {
    let upstream = Upstream::start();
    let alula = embedding(serve(), &upstream).env("ALULA_JOBS_ATTEMPTS", "1").listen();
    let form = |name: &str, metadata: &str| {
        Form::default().file("file", name, "# Larks\n\nA lark sings.\n").text("metadata", metadata)
    };
    let send = async |name: &str, metadata: &str| {
        alula.form("/documents/upload", form(name, metadata)).await.is(202)
    };
    let first = send("a.txt", r#"{"from": "a"}"#).await;
    let refusal = answer("400 Bad Request", r#"{"error": {"message": "no"}}"#);
    upstream.call().await.answer(&refusal).await;
    assert_eq!(alula.processed(&first).await["status"], "failed");
    let again = send("b.md", r#"{"from": "b"}"#).await;
    assert_eq!(again["document_id"], first["document_id"]);
    embed(upstream.call().await).await;
    let id = alula.ready(&again).await;
    let shown = alula.get(&format!("/documents/{id}")).await.is(200);
    assert_eq!(
        (&shown["filename"], &shown["content_type"], &shown["attributes"]),
        (&json!("b.md"), &json!("text/markdown"), &json!({"from": "b"}))
    );
    let found = alula.get("/search?query=lark&mode=keyword").await.is(200);
    assert_eq!(found["results"][0]["headings"], json!(["Larks"]), "it was read as Markdown");
    // One that is ready stays as it is.
    let third = send("c.txt", r#"{"from": "c"}"#).await;
    assert_eq!((&third["document_id"], &third["status"]), (&json!(id), &json!("ready")));
    assert_eq!(alula.get(&format!("/documents/{id}")).await.is(200)["filename"], "b.md");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_anew_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = over(&database, folder.path()).listen();
    let id = alula.ready(&alula.upload("a.pdf", pdf(&["A rail hides."])).await.is(202)).await;
    fs::write(file_of(folder.path(), &id), "%PDF-1.4 and nothing").unwrap();
    let url = format!("/documents/{id}");
    let again = alula.post(&format!("{url}/reindex"), &json!({})).await.is(202);
    let status = alula.processed(&again).await;
    assert_eq!((&status["status"], &status["terminal"]), (&json!("ready"), &json!(true)));
    assert!(status["error"]["code"].is_string(), "{status}");
    assert_eq!(alula.finds("rail").await, [&*id]);
    until("its end is noted", async || {
        alula.get("/documents?status=ready").await.is(200)["documents"] != json!([])
    })
    .await;
    let shown = alula.get(&url).await.is(200);
    assert_eq!((&shown["status"], &shown["chunks"]), (&json!("ready"), &json!(1)), "{shown}");
    assert_eq!(shown["error"], status["error"]);
    assert_eq!(alula.get("/documents?status=failed").await.is(200)["documents"], json!([]));
}

#[tokio::test]
async fn a_document_goes_while_a_job_is_at_it() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = embedding(over(&database, folder.path()), &upstream).listen();
    let accepted = alula.upload("a.txt", "A magpie steals.").await.is(202);
    let call = upstream.call().await;
    let url = format!("/documents/{}", accepted["document_id"].as_str().unwrap());
    let status = alula.get(&format!("{url}/status")).await.is(200);
    assert_eq!((&status["status"], &status["step"]), (&json!("processing"), &json!("embed")));
    assert_eq!(alula.delete(&url).await.status, 204);
    call.closed().await;
    for path in [url.clone(), format!("{url}/status"), format!("{url}/content")] {
        assert_eq!(alula.get(&path).await.status, 404);
    }
    assert_eq!(alula.delete(&url).await.status, 404);
    assert_eq!(alula.get("/search?query=magpie&mode=keyword").await.is(200)["results"], json!([]));
    assert_eq!(count_objects(folder.path()), 0);
    // The same bytes are another document now.
    let other = alula.upload("a.txt", "A magpie steals.").await.is(202);
    assert_ne!(other["document_id"], accepted["document_id"]);
    embed(upstream.call().await).await;
    alula.ready(&other).await;
}

/// Where its file is.
pub(super) fn file_of(folder: &std::path::Path, id: &str) -> std::path::PathBuf {
    folder.join("files/documents").join(&id[id.len() - 2..]).join(id)
}

/// Whatever cannot be removed now: nobody finds it, and upkeep tries it again.
#[tokio::test]
async fn a_document_is_gone_at_once_even_if_its_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = over(&database, folder.path()).listen();
    let id = alula.ready(&alula.upload("a.txt", "A plover runs.").await.is(202)).await;
    let (url, file) = (format!("/documents/{id}"), file_of(folder.path(), &id));
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("in the way")).unwrap();
    assert_eq!(alula.delete(&url).await.status, 204);
    assert_eq!(alula.finds("plover").await, Vec::<String>::new());
    assert_eq!(alula.get(&url).await.status, 404);
    assert_eq!(alula.delete(&url).await.status, 404);
    let left = "SELECT id FROM documents WHERE state = 2";
    assert_eq!(behind_its_back(&database, left).await, 1);
    fs::remove_dir_all(&file).unwrap();
    behind_its_back(&database, "UPDATE documents SET due_at = 1").await;
    let gone = async {
        while behind_its_back(&database, left).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE * 2, gone).await.expect("upkeep removes it");
}

#[tokio::test]
async fn a_store_of_files_that_takes_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = over(&database, folder.path()).listen();
    let id = alula.ready(&alula.upload("a.txt", "A pipit sings.").await.is(202)).await;
    fs::create_dir_all(folder.path().join("files/ping/in the way")).unwrap();
    let ready = alula.get("/health/ready").await.is(200);
    assert_eq!(ready["checks"]["files"]["status"], "degraded", "{ready}");
    drop(alula);
    // So is another store than it was.
    let other = over(&database, &folder.path().join("elsewhere")).listen();
    let ready = other.get("/health/ready").await.is(200);
    let reason = ready["checks"]["files"]["reason"].as_str().unwrap();
    assert!(reason.contains("another one"), "{ready}");
    assert_eq!(other.upload("b.txt", "A pochard dives.").await.status, 503);
    assert_eq!(other.get(&format!("/documents/{id}/content")).await.status, 503);
    assert_eq!(other.finds("pipit").await, [&*id]);
}

/// What is done is not done again: the file is gone by then, from which the text would be taken.
#[tokio::test]
async fn a_server_that_is_killed_repeats_no_finished_step() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let start = || embedding(over(&database, folder.path()), &upstream).listen();
    let mut alula = start();
    let accepted = alula.upload("a.txt", long()).await.is(202);
    let first = upstream.call().await;
    let done = texts(&first);
    embed(first).await;
    let second = upstream.call().await;
    alula.signal("KILL");
    alula.ended();
    drop(second);
    fs::remove_dir_all(folder.path().join("files/documents")).unwrap();
    let alula = start();
    let mut again = 0;
    let (ready, ()) = tokio::join!(alula.processed(&accepted), async {
        let total = chunks(&alula, &accepted).await;
        assert!(done < total, "{done} of {total}");
        while done + again < total {
            let call = upstream.call().await;
            again += texts(&call);
            embed(call).await;
        }
        assert_eq!(done + again, total);
    });
    assert_eq!(ready["status"], "ready", "{ready}");
    assert!(upstream.is_left_alone());
}

async fn chunks(alula: &Alula, accepted: &Value) -> usize {
    let url = format!("/documents/{}", accepted["document_id"].as_str().unwrap());
    let shown = alula.get(&url).await.is(200);
    usize::try_from(shown["chunks"].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn a_worker_makes_documents_ready_that_a_server_has_taken() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let idle = over(&database, folder.path()).env("ALULA_JOBS_RUNNING_MAX", "0").listen();
    let accepted = idle.upload("a.pdf", pdf(&["An oriole nests."])).await.is(202);
    let url = format!("/documents/{}/status", accepted["document_id"].as_str().unwrap());
    let status = idle.get(&url).await.is(200);
    assert_eq!((&status["status"], &status["step"]), (&json!("processing"), &json!("queued")));
    let storage = format!("file://{}", folder.path().join("files").display());
    let worker = crate::process::alula(&["worker"]).env("DATABASE_URL", &database);
    let _worker = worker.env("STORAGE_URL", storage).spawn();
    let ready = timeout(PATIENCE * 2, idle.ready(&accepted)).await.expect("it is ready");
    assert_eq!(idle.finds("oriole").await, [ready]);
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_its_document() {
    let alula = serve().env("ALULA_JOBS_RUNNING_MAX", "0").listen();
    let accepted = alula.upload("a.txt", "A puffin dives.").await.is(202);
    let job = accepted["job_id"].as_str().unwrap();
    alula.post(&format!("/jobs/{job}/cancel"), &json!({})).await.is(200);
    let url = format!("/documents/{}/status", accepted["document_id"].as_str().unwrap());
    let status = alula.get(&url).await.is(200);
    assert_eq!((&status["status"], &status["terminal"]), (&json!("failed"), &json!(true)));
    assert_eq!(status["error"]["code"], "cancelled");
}

#[tokio::test]
async fn documents_are_given_vectors_when_there_is_a_model() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = over(&database, folder.path()).listen();
    let id = alula.ready(&alula.upload("a.txt", "A quail hides.").await.is(202)).await;
    let url = format!("/documents/{id}");
    assert_eq!(alula.get(&url).await.is(200)["embedded"], 0);
    drop(alula);
    let alula = embedding(over(&database, folder.path()), &upstream).listen();
    embed(upstream.call().await).await;
    let embedded = async {
        while alula.get(&url).await.is(200)["embedded"] != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, embedded).await.expect("it is noted");
    let shown = alula.get(&url).await.is(200);
    assert_eq!((&shown["status"], &shown["chunks"]), (&json!("ready"), &json!(1)));
}

/// Its process was killed when it had noted the document, and not enqueued the job yet.
#[tokio::test]
async fn a_document_without_a_job_is_given_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let start = || over(&database, folder.path());
    let idle = start().env("ALULA_JOBS_RUNNING_MAX", "0").listen();
    let accepted = idle.upload("a.txt", "A robin sings.").await.is(202);
    drop(idle);
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    for statement in ["DELETE FROM jobs", "UPDATE document_entries SET updated_at = 1"] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let alula = start().listen();
    let url = format!("/documents/{}/status", accepted["document_id"].as_str().unwrap());
    let ready = async {
        while alula.get(&url).await.is(200)["status"] != "ready" {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE * 2, ready).await.expect("it is ready");
    assert_eq!(alula.get(&url).await.is(200)["job_id"], accepted["job_id"]);
}

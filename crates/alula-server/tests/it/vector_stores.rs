//! Files and vector stores, as clients of OpenAI use them; what the clients themselves make of them
//! is in `sdk`.

mod again;

use std::time::Duration;

use alula_llm::testing::FakeProvider;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    client::{Answer, http},
    database::on_each,
    keyed::until,
    keys::Store,
    process::{Alula, PATIENCE, Start, alula, serve, serve_openai},
};

/// Somebody with a key, or without one.
struct Client<'a> {
    alula: &'a Alula,
    key: Option<&'a str>,
}

impl<'a> Client<'a> {
    fn new(alula: &'a Alula) -> Self {
        Self { alula, key: None }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let url = self.alula.url(&format!("/v1{path}"));
        let request = http().request(method.parse().unwrap(), url);
        let request = match self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None).await.is(200)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, Some(&body)).await.is(200)
    }

    /// Keeps a text, and returns the id of the file.
    async fn keep(&self, name: &str, text: &str) -> String {
        let body = format!(
            "--wing\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n\
             --wing\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
             {text}\r\n--wing--\r\n"
        );
        let request = http()
            .post(self.alula.url("/v1/files"))
            .header("content-type", "multipart/form-data; boundary=wing")
            .body(body);
        let request = match self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        id(&Answer::of(request).await.is(200))
    }

    async fn keep_many(&self, count: usize) -> Vec<String> {
        let kept = (0..count).map(async |n| {
            self.keep(&format!("{n}.md"), &format!("# Bird {n}\n\nIts wing is {n} inches long.\n"))
                .await
        });
        join_all(kept).await
    }

    /// Waits until nothing is in progress any more, and returns how many files have ended how.
    async fn counts(&self, path: &str) -> Value {
        let mut counts = Value::Null;
        until("all files have ended", async || {
            sleep(Duration::from_millis(50)).await;
            counts = self.get(path).await["file_counts"].take();
            counts["in_progress"] == 0
        })
        .await;
        counts
    }

    async fn found(&self, store: &str, query: &str) -> Vec<String> {
        let query = json!({"query": query, "max_num_results": 50});
        let found = self.post(&format!("/vector_stores/{store}/search"), query).await;
        found["data"].as_array().unwrap().iter().map(|it| text_of(it, "file_id")).collect()
    }
}

fn id(value: &Value) -> String {
    text_of(value, "id")
}

fn text_of(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    let body = answer.is(status);
    let message = text_of(&body["error"], "message");
    assert!(message.contains(words), "{body}");
}

/// A server whose jobs are for others.
fn idle(start: Start) -> Start {
    start.env("ALULA_JOBS_RUNNING_MAX", "0")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_searched_by_its_files_alone_and_forgets_what_is_removed() {
    on_each(async |database| {
        let folder = tempfile::tempdir().unwrap();
        let alula = serve().env("DATABASE_URL", database).within(folder.path()).listen();
        let client = Client::new(&alula);
        let [kea, tui] = ["The kea climbs.", "The tui sings."]
            .map(async |text| client.keep("a.txt", text).await);
        let (kea, tui) = (kea.await, tui.await);
        let store = id(&client.post("/vector_stores", json!({"file_ids": [&kea]})).await);
        let other = id(&client.post("/vector_stores", json!({"file_ids": [&kea, &tui]})).await);
        for (store, total) in [(&store, 1), (&other, 2)] {
            let counts = client.counts(&format!("/vector_stores/{store}")).await;
            assert_eq!(counts["completed"], total, "{counts}");
        }
        assert_eq!(client.found(&store, "kea tui").await, [&*kea]);
        assert_eq!(client.found(&other, "kea tui").await.len(), 2);
        // A file that is in a store is no document that is found elsewhere.
        let search = alula.get("/search?query=kea").await.is(200);
        assert_eq!(search["results"], json!([]));
        assert_eq!(alula.get("/documents").await.is(200)["documents"], json!([]));

        client.ask("DELETE", &format!("/files/{kea}"), None).await.is(200);
        assert_eq!(client.found(&store, "kea tui").await, [""; 0]);
        assert_eq!(client.found(&other, "kea tui").await, [&*tui]);
        let files = client.get(&format!("/vector_stores/{other}/files")).await;
        assert_eq!(files["data"].as_array().unwrap().len(), 1, "{files}");
        client.ask("DELETE", &format!("/vector_stores/{other}"), None).await.is(200);
        let gone = client.ask("GET", &format!("/vector_stores/{other}/files"), None).await;
        refused(&gone, 404, "There is no vector store");
        client.get(&format!("/files/{tui}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_a_file_and_can_be_in_a_store_too() {
    let store = Store::file();
    let alula = store.over(serve()).listen();
    let client = Client::new(&alula);
    let taken = alula.post("/documents", &json!({"text": "The weka runs.", "name": "w.txt"})).await;
    let document = text_of(&taken.is(202), "document_id");
    let file = client.get(&format!("/files/{document}")).await;
    assert_eq!((&file["purpose"], &file["filename"]), (&json!("user_data"), &json!("w.txt")));
    let listed = client.get("/files?purpose=user_data").await;
    assert_eq!(id(&listed["data"][0]), document);
    let store = id(&client.post("/vector_stores", json!({"file_ids": [document]})).await);
    client.counts(&format!("/vector_stores/{store}")).await;
    assert_eq!(client.found(&store, "weka").await, [&*document]);
    // Out of the one it is still in the other.
    let path = format!("/vector_stores/{store}/files/{document}");
    client.ask("DELETE", &path, None).await.is(200);
    assert_eq!(client.found(&store, "weka").await, [""; 0]);
    until("the document is found", async || {
        alula.get("/search?query=weka").await.is(200)["results"] != json!([])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_know_nothing_of_each_other() {
    let store = Store::file();
    let (ada, bob) = (store.key(&[]), store.key(&[]));
    let alula = store.over(serve()).listen();
    let [ada, bob] = [&ada, &bob].map(|key| Client { alula: &alula, key: Some(key) });
    let file = ada.keep("secret.txt", "The takahe hides.").await;
    let vector_store = id(&ada.post("/vector_stores", json!({"file_ids": [&file]})).await);
    ada.counts(&format!("/vector_stores/{vector_store}")).await;
    let batch = json!({"file_ids": [&file]});
    let batches = format!("/vector_stores/{vector_store}/file_batches");
    let batch = id(&ada.post(&batches, batch).await);
    let own = id(&bob.post("/vector_stores", json!({})).await);

    let here = format!("/vector_stores/{vector_store}");
    let (query, attached) = (json!({"query": "takahe"}), json!({"file_id": &file}));
    for (method, path, body) in [
        ("GET", format!("/files/{file}"), None),
        ("GET", format!("/files/{file}/content"), None),
        ("DELETE", format!("/files/{file}"), None),
        ("GET", here.clone(), None),
        ("POST", here.clone(), Some(&json!({"name": "mine"}))),
        ("DELETE", here.clone(), None),
        ("POST", format!("{here}/search"), Some(&query)),
        ("GET", format!("{here}/files"), None),
        ("POST", format!("{here}/files"), Some(&attached)),
        ("GET", format!("{here}/files/{file}"), None),
        ("POST", format!("{here}/files/{file}"), Some(&json!({"attributes": {}}))),
        ("DELETE", format!("{here}/files/{file}"), None),
        ("GET", format!("{here}/files/{file}/content"), None),
        ("POST", batches.clone(), Some(&json!({"file_ids": [&file]}))),
        ("GET", format!("{batches}/{batch}"), None),
        ("POST", format!("{batches}/{batch}/cancel"), None),
        ("GET", format!("{batches}/{batch}/files"), None),
        // Nor into his own.
        ("POST", format!("/vector_stores/{own}/files"), Some(&attached)),
        ("GET", format!("/vector_stores/{own}/file_batches/{batch}"), None),
    ] {
        let answer = bob.ask(method, &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    for list in ["/files", "/vector_stores"] {
        let listed = bob.get(list).await;
        assert!(!listed.to_string().contains(&file), "{listed}");
        assert!(!listed.to_string().contains(&vector_store), "{listed}");
    }
    assert_eq!(ada.found(&vector_store, "takahe").await, [&*file]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_outlives_its_server() {
    let store = Store::file();
    let alula = store.over(serve()).listen();
    let client = Client::new(&alula);
    let files = client.keep_many(40).await;
    let vector_store = id(&client.post("/vector_stores", json!({})).await);
    let batches = format!("/vector_stores/{vector_store}/file_batches");
    let batch = id(&client.post(&batches, json!({"file_ids": files})).await);
    let path = format!("{batches}/{batch}");
    until("some of it is done", async || client.get(&path).await["file_counts"]["completed"] != 0)
        .await;
    alula.signal("KILL");
    assert_eq!(alula.end_after_signal().code, None);
    let alula = store.over(serve()).env("ALULA_JOBS_LEASE_SECONDS", "1").listen();
    let client = Client::new(&alula);
    // The jobs that were under way are another worker's when their lease is over.
    let mut completed = Value::Null;
    let patience = tokio::time::Instant::now() + 3 * PATIENCE;
    while completed != 40 && tokio::time::Instant::now() < patience {
        completed = client.get(&path).await["file_counts"]["completed"].take();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(completed, 40);
    assert_eq!(client.found(&vector_store, "inches").await.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_is_not_indexed() {
    let store = Store::file();
    let alula = idle(store.over(serve())).listen();
    let client = Client::new(&alula);
    let files = client.keep_many(3).await;
    let vector_store = id(&client.post("/vector_stores", json!({})).await);
    let here = format!("/vector_stores/{vector_store}");
    let batch = json!({"file_ids": &files[..2]});
    let batch = client.post(&format!("{here}/file_batches"), batch).await;
    assert_eq!(
        (&batch["status"], &batch["file_counts"]["total"]),
        (&json!("in_progress"), &json!(2))
    );
    client.post(&format!("{here}/files"), json!({"file_id": files[2]})).await;
    let path = format!("{here}/file_batches/{}", id(&batch));
    let cancelled = client.ask("POST", &format!("{path}/cancel"), None).await.is(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["file_counts"]["cancelled"], 2, "{cancelled}");

    let worker = store.over(alula_worker()).spawn();
    let counts = client.counts(&here).await;
    assert_eq!((&counts["completed"], &counts["cancelled"]), (&json!(1), &json!(2)), "{counts}");
    assert_eq!(client.found(&vector_store, "bird wing inches").await, [&*files[2]]);
    let file = client.get(&format!("{here}/files/{}", files[0])).await;
    assert_eq!((&file["status"], &file["last_error"]), (&json!("cancelled"), &Value::Null));
    // It can be put there again.
    client.post(&format!("{here}/files"), json!({"file_id": files[0]})).await;
    assert_eq!(client.counts(&here).await["completed"], 2);
    drop(worker);
}

fn alula_worker() -> Start {
    alula(&["worker"])
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_what_one_may_have() {
    let store = Store::file();
    let alula = idle(store.over(serve()))
        .env("ALULA_VECTOR_STORES_PER_KEY_MAX", "2")
        .env("ALULA_VECTOR_STORE_FILES_MAX", "2")
        .env("ALULA_VECTOR_STORE_BATCH_FILES_MAX", "3")
        .listen();
    let client = Client::new(&alula);
    let files = client.keep_many(4).await;
    let first = id(&client.post("/vector_stores", json!({})).await);
    let try_files = async |files: &[String]| {
        let path = format!("/vector_stores/{first}/file_batches");
        client.ask("POST", &path, Some(&json!({"file_ids": files}))).await
    };
    refused(&try_files(&files).await, 400, "4 files are more than the 3");
    refused(&try_files(&files[..3]).await, 400, "A vector store may have 2 files");
    assert_eq!(client.get(&format!("/vector_stores/{first}")).await["file_counts"]["total"], 0);
    // The same file twice is one.
    let twice = [&files[..2], &files[..2]].concat();
    assert_eq!(try_files(&twice).await.is(200)["file_counts"]["total"], 2);
    client.post("/vector_stores", json!({})).await;
    let third = client.ask("POST", "/vector_stores", Some(&json!({}))).await;
    refused(&third, 400, "There may be 2 vector stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_searched_by_what_its_files_mean() {
    let fake = FakeProvider::start().await;
    // Each file when it is put there, and the question.
    for (text, vector) in [
        ("The kea climbs.", [1.0, 0.0]),
        ("The tui sings.", [0.0, 1.0]),
        ("Who makes music?", [0.1, 0.9]),
    ] {
        fake.turn().expects(json!({"model": "e", "input": [text]})).embeds([vector]).usage(3, 0);
    }
    let alula = serve_openai(&fake.url()).env("ALULA_EMBEDDING_MODEL", "openai/e").listen();
    let client = Client::new(&alula);
    let store = id(&client.post("/vector_stores", json!({})).await);
    let path = format!("/vector_stores/{store}");
    let mut files = Vec::new();
    for (done, text) in (1..).zip(["The kea climbs.", "The tui sings."]) {
        let file = client.keep("a.txt", text).await;
        client.post(&format!("{path}/files"), json!({"file_id": file})).await;
        assert_eq!(client.counts(&path).await["completed"], done);
        files.push(file);
    }
    // They have no word in common.
    assert_eq!(client.found(&store, "Who makes music?").await, [&*files[1], &*files[0]]);
    // The vector of the question is known now.
    let query = json!({"query": "Who makes music?", "max_num_results": 1});
    let found = client.post(&format!("{path}/search"), query).await;
    assert_eq!(found["data"][0]["content"][0]["text"], "The tui sings.", "{found}");
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_nobody_uses_expires() {
    let store = Store::file();
    let alula = store.over(serve()).listen();
    let client = Client::new(&alula);
    let file = client.keep("a.txt", "The kea climbs.").await;
    let wanted = |days: u32| json!({"file_ids": [&file], "expires_after": {"anchor": "last_active_at", "days": days}});
    let short = id(&client.post("/vector_stores", wanted(1)).await);
    let long = id(&client.post("/vector_stores", wanted(3)).await);
    for store in [&short, &long] {
        client.counts(&format!("/vector_stores/{store}")).await;
        assert_eq!(client.found(store, "kea").await, [&*file]);
    }
    let shown = client.get(&format!("/vector_stores/{short}")).await;
    assert_eq!(shown["status"], "completed", "{shown}");
    let database = format!("sqlite://{}", store.dir().join("alula.db").display());
    let pool = sqlx::SqlitePool::connect(&database).await.unwrap();
    let two_days_later = "UPDATE vector_stores SET active_at = active_at - 172800000";
    sqlx::query(two_days_later).execute(&pool).await.unwrap();
    pool.close().await;
    let search = format!("/vector_stores/{short}/search");
    let answer = client.ask("POST", &search, Some(&json!({"query": "kea"}))).await;
    // It may be gone by now.
    assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    assert_eq!(client.found(&long, "kea").await, [&*file]);
    // Upkeep looks when something was removed, and finds it.
    let other = id(&client.post("/vector_stores", json!({})).await);
    client.ask("DELETE", &format!("/vector_stores/{other}"), None).await.is(200);
    until("it is removed", async || {
        client.ask("GET", &format!("/vector_stores/{short}"), None).await.status == 404
    })
    .await;
    assert_eq!(client.found(&long, "kea").await, [&*file]);
    client.get(&format!("/files/{file}")).await;
}

//! What one caller has, no other finds: not by its name, not in a list, not beside its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    keys::{Store, id_of},
    process::{Alula, serve},
};

/// How many callers there are, and how much each of them has of everything.
const TENANTS: usize = 3;
const EACH: usize = 3;

/// Whose things a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Conversation,
    Job,
    Batch,
    Document,
    /// One of OpenAI's vector stores, in which a file and a batch of files may be named beside it.
    VectorStore,
    /// For administrators, who look after everybody's.
    Key,
    /// The same for everybody.
    Model,
}
use Names::{Batch, Conversation, Document, Job, Key, Model, VectorStore};

/// Every route that names a thing. A new one is put here, or the test below fails.
const ROUTES: &[(&str, &str, Names)] = &[
    ("GET", "/conversations/{id}", Conversation),
    ("DELETE", "/conversations/{id}", Conversation),
    ("POST", "/conversations/{id}/messages", Conversation),
    ("GET", "/documents/{id}", Document),
    ("PATCH", "/documents/{id}", Document),
    ("DELETE", "/documents/{id}", Document),
    ("GET", "/documents/{id}/status", Document),
    ("GET", "/documents/{id}/content", Document),
    ("POST", "/documents/{id}/retry", Document),
    ("POST", "/documents/{id}/reindex", Document),
    ("GET", "/jobs/{id}", Job),
    ("GET", "/jobs/{id}/events", Job),
    ("POST", "/jobs/{id}/cancel", Job),
    ("POST", "/jobs/{id}/retry", Job),
    ("GET", "/batches/{id}", Batch),
    ("GET", "/batches/{id}/events", Batch),
    ("GET", "/batches/{id}/results", Batch),
    ("POST", "/batches/{id}/cancel", Batch),
    ("POST", "/batches/{id}/retry", Batch),
    ("GET", "/admin/keys/{id}", Key),
    ("PATCH", "/admin/keys/{id}", Key),
    ("DELETE", "/admin/keys/{id}", Key),
    ("GET", "/v1/models/{model}", Model),
    ("GET", "/v1/files/{file_id}", Document),
    ("DELETE", "/v1/files/{file_id}", Document),
    ("GET", "/v1/files/{file_id}/content", Document),
    ("GET", "/v1/vector_stores/{vector_store_id}", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}", VectorStore),
    ("DELETE", "/v1/vector_stores/{vector_store_id}", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}/search", VectorStore),
    ("GET", "/v1/vector_stores/{vector_store_id}/files", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}/files", VectorStore),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}/files/{file_id}", VectorStore),
    ("DELETE", "/v1/vector_stores/{vector_store_id}/files/{file_id}", VectorStore),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches", VectorStore),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}", VectorStore),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", VectorStore),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", VectorStore),
];

/// A caller and what is its own.
struct Tenant {
    key: String,
    conversations: Vec<String>,
    jobs: Vec<String>,
    batches: Vec<String>,
    documents: Vec<String>,
    vector_stores: Vec<String>,
    /// The batch of files of each of them.
    file_batches: Vec<String>,
}

impl Tenant {
    /// With conversations that have a message each, and jobs and batches that have ended.
    async fn new(alula: &Alula, key: String) -> Self {
        let mut tenant = Self {
            key,
            conversations: Vec::new(),
            jobs: Vec::new(),
            batches: Vec::new(),
            documents: Vec::new(),
            vector_stores: Vec::new(),
            file_batches: Vec::new(),
        };
        let question = json!({"message": "Hi"});
        for _ in 0..EACH {
            let made = tenant.asks(alula, "POST", "/conversations", Some(&json!({}))).await;
            let id = made.is(201)["id"].as_str().unwrap().to_owned();
            let path = format!("/conversations/{id}/messages");
            tenant.asks(alula, "POST", &path, Some(&question)).await.is(200);
            tenant.conversations.push(id);
            let later = http().post(alula.url("/chat")).header("prefer", "respond-async");
            let later = later.bearer_auth(&tenant.key).json(&question);
            let accepted = Answer::of(later).await.is(202);
            tenant.jobs.push(accepted["job_id"].as_str().unwrap().to_owned());
            let batch = json!({"requests": [question]});
            let accepted = tenant.asks(alula, "POST", "/batches", Some(&batch)).await.is(202);
            tenant.batches.push(accepted["batch_id"].as_str().unwrap().to_owned());
        }
        for number in 0..EACH {
            // The same for everybody, who each have their own.
            let text = json!({"text": format!("Number {number}")});
            let accepted = tenant.asks(alula, "POST", "/documents", Some(&text)).await.is(202);
            tenant.documents.push(accepted["document_id"].as_str().unwrap().to_owned());
            let job = format!("/jobs/{}/events", accepted["job_id"].as_str().unwrap());
            tenant.asks(alula, "GET", &job, None).await.events();
        }
        for _ in 0..EACH {
            let made = tenant.asks(alula, "POST", "/v1/vector_stores", Some(&json!({}))).await;
            let store = made.is(200)["id"].as_str().unwrap().to_owned();
            let files = json!({"file_ids": tenant.documents});
            let path = format!("/v1/vector_stores/{store}/file_batches");
            let batch = tenant.asks(alula, "POST", &path, Some(&files)).await.is(200);
            tenant.file_batches.push(batch["id"].as_str().unwrap().to_owned());
            tenant.vector_stores.push(store);
        }
        // Those of its documents and of files in vector stores as well.
        let all = tenant.lists(alula, "/jobs?limit=100", "jobs").await;
        assert_eq!(all.len(), EACH + EACH + EACH * EACH, "{all:?}");
        assert!(tenant.jobs.iter().all(|job| all.contains(job)));
        tenant.jobs = all.into_iter().collect();
        for path in tenant.ending() {
            // It ends when the job does.
            tenant.asks(alula, "GET", &format!("{path}/events"), None).await.events();
        }
        tenant
    }

    async fn asks(&self, alula: &Alula, method: &str, path: &str, body: Option<&Value>) -> Answer {
        alula.with_key(&self.key, method, path, body).await
    }

    /// Where its jobs and batches are.
    fn ending(&self) -> Vec<String> {
        let jobs = self.jobs.iter().map(|id| format!("/jobs/{id}"));
        jobs.chain(self.batches.iter().map(|id| format!("/batches/{id}"))).collect()
    }

    fn has(&self, names: Names) -> Vec<&str> {
        match names {
            Conversation => self.conversations.iter().map(String::as_str).collect(),
            Job => self.jobs.iter().map(String::as_str).collect(),
            Batch => self.batches.iter().map(String::as_str).collect(),
            Document => self.documents.iter().map(String::as_str).collect(),
            VectorStore => self.vector_stores.iter().map(String::as_str).collect(),
            Key => vec![id_of(&self.key)],
            Model => Vec::new(),
        }
    }

    /// A path with these names in it, and those of things of its own beside the first.
    fn fills(&self, path: &str, id: &str) -> String {
        let path = path.replace("{id}", id).replace("{vector_store_id}", id);
        let file = if path.starts_with("/v1/files") { id } else { &self.documents[0] };
        path.replace("{file_id}", file).replace("{batch_id}", &self.file_batches[0])
    }

    /// All that it finds in the list at this path.
    async fn lists(&self, alula: &Alula, path: &str, of: &str) -> BTreeSet<String> {
        let list = self.asks(alula, "GET", path, None).await.is(200);
        let name = |item: &Value| {
            let id = match of {
                "jobs" => &item["job_id"],
                "batches" => &item["batch_id"],
                "documents" => &item["document_id"],
                _ => &item["id"],
            };
            id.as_str().unwrap_or_else(|| panic!("{item}")).to_owned()
        };
        list[of].as_array().unwrap().iter().map(name).collect()
    }
}

/// What a name may stand in beside a path.
fn bodies(id: &str) -> [(&'static str, Value); 3] {
    let question = json!({"message": "Hi", "conversation_id": id});
    [("/chat", question.clone()), ("/chat/stream", question.clone()), ("/batch", json!([question]))]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_another_has() {
    let store = Store::file();
    let keys: Vec<String> = (0..TENANTS).map(|_| store.key(&["--plan", "unlimited"])).collect();
    let alula = store.over(serve()).listen();
    every_route_is_here(&alula.get("/openapi.json").await.is(200));
    let mut tenants = Vec::new();
    for key in keys {
        tenants.push(Tenant::new(&alula, key).await);
    }
    let mut tries = 0;
    for (one, other) in pairs(&tenants) {
        for (method, path, names) in ROUTES {
            // A name that nobody has is answered in the same way.
            let absent = match names {
                Conversation => "conv_0190a0a0a0a0",
                Job | Batch => "job_0",
                Document => "doc_0",
                VectorStore => "vs_0",
                Key | Model => "x",
            };
            let body = body(method, path, *names, &one.documents);
            let ask = async |id: &str| {
                one.asks(&alula, method, &other.fills(path, id), body.as_ref()).await
            };
            for id in other.has(*names) {
                let (answer, nobody) = (ask(id).await, ask(absent).await);
                let status = if *names == Key { 403 } else { 404 };
                assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
                assert_eq!(answer.text.replace(id, absent), nobody.text, "{method} {path}");
                tries += 1;
            }
        }
        for (path, body) in other.conversations.iter().flat_map(|id| bodies(id)) {
            let answer = one.asks(&alula, "POST", path, Some(&body)).await;
            let error = if path == "/batch" { answer.is(200)[0].clone() } else { answer.is(404) };
            assert!(error.get("response").is_none(), "{path}: {error}");
            tries += 1;
        }
        for (list, of, names) in lists(other) {
            let own: BTreeSet<String> = one.has(names).into_iter().map(str::to_owned).collect();
            assert!(one.lists(&alula, &list, of).await.is_subset(&own), "{list}");
            tries += 1;
        }
    }
    // Everybody has what they had, and nothing was said or done in it.
    for tenant in &tenants {
        for of in ["conversations", "jobs", "batches", "documents"] {
            let list = format!("/{of}?limit=100");
            let count = if of == "jobs" { tenant.jobs.len() } else { EACH };
            assert_eq!(tenant.lists(&alula, &list, of).await.len(), count, "{list}");
        }
        for id in &tenant.conversations {
            let shown = tenant.asks(&alula, "GET", &format!("/conversations/{id}"), None).await;
            assert_eq!(shown.is(200)["message_count"], 2);
        }
        for path in tenant.ending() {
            let shown = tenant.asks(&alula, "GET", &path, None).await.is(200);
            let ended = if path.starts_with("/jobs") { "succeeded" } else { "completed" };
            assert_eq!(shown["status"], ended, "{shown}");
        }
    }
    println!("{tries} tries");
}

/// What a request takes along that names a thing of another.
fn body(method: &str, path: &str, names: Names, documents: &[String]) -> Option<Value> {
    match (method, names) {
        ("POST", Conversation) => Some(json!({"message": "Hi"})),
        ("PATCH", Document) => Some(json!({"archived": true})),
        ("POST", VectorStore) if path.ends_with("/search") => Some(json!({"query": "a"})),
        ("POST", VectorStore) if path.ends_with("/files") => Some(json!({"file_id": documents[0]})),
        ("POST", VectorStore) if path.ends_with("/file_batches") => {
            Some(json!({"file_ids": documents}))
        }
        ("POST", VectorStore) if path.ends_with("{file_id}") => {
            Some(json!({"attributes": {"a": "b"}}))
        }
        ("POST", VectorStore) if path.ends_with("{vector_store_id}") => Some(json!({"name": "a"})),
        _ => None,
    }
}

/// Each with each other.
fn pairs(tenants: &[Tenant]) -> impl Iterator<Item = (&Tenant, &Tenant)> {
    let others = move |one: usize| (0..tenants.len()).filter(move |other| *other != one);
    (0..tenants.len())
        .flat_map(move |one| others(one).map(move |other| (&tenants[one], &tenants[other])))
}

/// The lists, from their start and from what is in the list of another.
fn lists(other: &Tenant) -> Vec<(String, &'static str, Names)> {
    let lists = [
        ("/conversations", "conversations", Conversation),
        ("/jobs", "jobs", Job),
        ("/batches", "batches", Batch),
        ("/documents", "documents", Document),
        ("/v1/files", "data", Document),
        ("/v1/vector_stores", "data", VectorStore),
    ];
    lists
        .into_iter()
        .flat_map(|(path, of, names)| {
            let after = other.has(names).into_iter().map(move |id| format!("{path}?after={id}"));
            after.chain([path.to_owned()]).map(move |path| (path, of, names))
        })
        .collect()
}

fn every_route_is_here(document: &Value) {
    let paths = document["paths"].as_object().unwrap().iter();
    let found: BTreeSet<(String, &str)> = paths
        .filter(|(path, _)| path.contains('{'))
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.as_str()))
        })
        .collect();
    let known = ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), *path)).collect();
    assert_eq!(found, known);
}

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
    /// For administrators, who look after everybody's.
    Key,
    /// The same for everybody.
    Model,
}
use Names::{Batch, Conversation, Document, Job, Key, Model};

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
];

/// A caller and what is its own.
struct Tenant {
    key: String,
    conversations: Vec<String>,
    jobs: Vec<String>,
    batches: Vec<String>,
    documents: Vec<String>,
}

impl Tenant {
    /// With conversations that have a message each, and jobs and batches that have ended.
    async fn new(alula: &Alula, key: String) -> Self {
        let (conversations, jobs, batches) = (Vec::new(), Vec::new(), Vec::new());
        let mut tenant = Self { key, conversations, jobs, batches, documents: Vec::new() };
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
            Key => vec![id_of(&self.key)],
            Model => Vec::new(),
        }
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
                Key | Model => "x",
            };
            let body = match (*method, *names) {
                ("POST", Conversation) => Some(json!({"message": "Hi"})),
                ("PATCH", Document) => Some(json!({"archived": true})),
                _ => None,
            };
            let ask = async |id: &str| {
                one.asks(&alula, method, &path.replace("{id}", id), body.as_ref()).await
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
            assert_eq!(tenant.lists(&alula, &list, of).await.len(), EACH, "{list}");
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

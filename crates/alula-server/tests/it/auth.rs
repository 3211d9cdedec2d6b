//! Who is let in.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    keys::{Store, id_of},
    postgres::Postgres,
    process::{Alula, PATIENCE, alula, serve},
};

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Models,
    Admin,
}
use Takes::{Admin, Models, Nothing};

/// Every route. A new one is put here, or the test below fails.
const ROUTES: &[(&str, &str, Takes)] = &[
    ("GET", "/", Nothing),
    ("GET", "/health", Nothing),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("POST", "/chat", Models),
    ("POST", "/chat/stream", Models),
    ("POST", "/batch", Models),
    ("GET", "/search", Models),
    ("POST", "/search", Models),
    ("GET", "/documents", Models),
    ("POST", "/documents", Models),
    ("POST", "/documents/upload", Models),
    ("POST", "/documents/upload-multiple", Models),
    ("GET", "/documents/{id}", Models),
    ("PATCH", "/documents/{id}", Models),
    ("DELETE", "/documents/{id}", Models),
    ("GET", "/documents/{id}/status", Models),
    ("GET", "/documents/{id}/content", Models),
    ("POST", "/documents/{id}/retry", Models),
    ("POST", "/documents/{id}/reindex", Models),
    ("GET", "/conversations", Models),
    ("POST", "/conversations", Models),
    ("GET", "/conversations/{id}", Models),
    ("DELETE", "/conversations/{id}", Models),
    ("POST", "/conversations/{id}/messages", Models),
    ("GET", "/jobs", Models),
    ("GET", "/jobs/{id}", Models),
    ("GET", "/jobs/{id}/events", Models),
    ("POST", "/jobs/{id}/cancel", Models),
    ("POST", "/jobs/{id}/retry", Models),
    ("GET", "/batches", Models),
    ("POST", "/batches", Models),
    ("GET", "/batches/{id}", Models),
    ("GET", "/batches/{id}/events", Models),
    ("GET", "/batches/{id}/results", Models),
    ("POST", "/batches/{id}/cancel", Models),
    ("POST", "/batches/{id}/retry", Models),
    ("POST", "/v1/chat/completions", Models),
    ("POST", "/v1/responses", Models),
    ("POST", "/v1/responses/input_tokens", Models),
    ("POST", "/v1/embeddings", Models),
    ("GET", "/v1/models", Models),
    ("GET", "/v1/models/{model}", Models),
    ("GET", "/v1/files", Models),
    ("POST", "/v1/files", Models),
    ("GET", "/v1/files/{file_id}", Models),
    ("GET", "/v1/files/{file_id}/content", Models),
    ("DELETE", "/v1/files/{file_id}", Models),
    ("GET", "/v1/vector_stores", Models),
    ("POST", "/v1/vector_stores", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}", Models),
    ("DELETE", "/v1/vector_stores/{vector_store_id}", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}/search", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}/files", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}/files", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}/files/{file_id}", Models),
    ("DELETE", "/v1/vector_stores/{vector_store_id}/files/{file_id}", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}", Models),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", Models),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", Models),
    ("POST", "/v1/messages", Models),
    ("POST", "/v1/messages/count_tokens", Models),
    ("GET", "/admin/keys", Admin),
    ("POST", "/admin/keys", Admin),
    ("GET", "/admin/keys/{id}", Admin),
    ("PATCH", "/admin/keys/{id}", Admin),
    ("DELETE", "/admin/keys/{id}", Admin),
    ("GET", "/admin/providers", Admin),
    ("GET", "/admin/usage", Admin),
    ("GET", "/admin/usage/calls", Admin),
    ("GET", "/metrics", Admin),
];

/// What is served beside the routes of the document.
const PAGES: [&str; 2] = ["/docs", "/openapi.json"];

#[tokio::test]
async fn every_route_lets_in_who_may_and_nobody_else() {
    let store = Store::file();
    let (models, admin) = (store.key(&[]), store.key(&["--scopes", "admin"]));
    let (revoked, expired) = (store.key(&["--scopes", "models,admin"]), store.key(&[]));
    store.keys(&["revoke", id_of(&revoked)]);
    expire(&store, &expired).await;
    let unknown = Store::file().key(&["--scopes", "models,admin"]);
    let alula = store.over(serve()).listen();
    let document = alula.get("/openapi.json").await.is(200);
    assert_eq!(
        documented(&document),
        ROUTES.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect()
    );

    let bad = [
        (None, "needs a key"),
        (Some("sk-proj-1234"), "not a key of this server"),
        (Some(&*unknown), "unknown"),
        (Some(&*revoked), "revoked"),
        (Some(&*expired), "expired"),
    ];
    for (method, path, takes) in ROUTES {
        let ask = async |key: Option<&str>| {
            let path = path.replace("{id}", "x").replace("{model}", "x");
            alula.with_key(key.unwrap_or_default(), method, &path, None).await
        };
        let row = format!("{method} {path}");
        for (key, says) in bad {
            let answer = ask(key).await;
            if *takes == Nothing {
                assert_eq!(answer.status, 200, "{row} with {key:?}: {answer:?}");
                continue;
            }
            assert_eq!(answer.status, 401, "{row} with {key:?}: {answer:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{row}: {answer:?}");
            let message = message(path, &answer, "authentication_error", "invalid_api_key");
            assert!(message.contains(says), "{row} with {key:?}: {message}");
        }
        let (right, wrong) = match takes {
            Nothing => continue,
            Models => (&models, &admin),
            Admin => (&admin, &models),
        };
        let answer = ask(Some(wrong)).await;
        assert_eq!(answer.status, 403, "{row}: {answer:?}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("insufficient_scope"), "{row}: {challenge}");
        message(path, &answer, "permission_error", "insufficient_permissions");
        let answer = ask(Some(right)).await;
        assert!(![401, 403].contains(&answer.status), "{row}: {answer:?}");
    }
    for page in PAGES {
        assert_eq!(alula.get(page).await.status, 200, "{page}");
    }
}

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let rows = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.to_uppercase(), path.clone()))
    });
    rows.collect()
}

/// What an error says, in the form of the API that was asked.
#[track_caller]
fn message(path: &str, answer: &Answer, anthropic: &str, openai: &str) -> String {
    let body = answer.json();
    let text = if path.starts_with("/v1/messages") {
        assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(anthropic)));
        &body["error"]["message"]
    } else if path.starts_with("/v1/") {
        assert_eq!(body["error"]["code"], openai, "{body}");
        &body["error"]["message"]
    } else {
        &body["detail"]
    };
    text.as_str().unwrap_or_else(|| panic!("{path}: {body}")).to_owned()
}

/// Lets a key have ended, which nobody can wish for.
async fn expire(store: &Store, key: &str) {
    let pool = sqlx::SqlitePool::connect(store.url()).await.unwrap();
    let update = "UPDATE api_keys SET expires_at = 1 WHERE id = $1";
    sqlx::query(update).bind(id_of(key)).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn either_header_will_do() {
    let store = Store::file();
    let key = store.key(&[]);
    let alula = store.over(serve()).listen();
    let ask = async |name: &str, value: String| {
        Answer::of(http().get(alula.url("/v1/models")).header(name, value)).await.status
    };
    assert_eq!(ask("x-api-key", key.clone()).await, 200);
    assert_eq!(ask("authorization", format!("bearer {key}")).await, 200);
    assert_eq!(ask("authorization", format!("Basic {key}")).await, 401);
    assert_eq!(ask("x-goog-api-key", key).await, 401);
}

#[tokio::test]
async fn with_keys_the_server_answers_everywhere_and_by_any_name() {
    let store = Store::file();
    let refused = store.over(alula(&["serve", "--port", "0", "--host", "0.0.0.0"])).end();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("alula keys create"), "{refused:?}");
    let key = store.key(&[]);
    let wide = store.over(alula(&["serve", "--port", "0", "--host", "0.0.0.0"])).listen();
    let url = format!("http://127.0.0.1:{}/v1/models", wide.address().port());
    let request = || http().get(&url).header("host", "api.example");
    assert_eq!(Answer::of(request()).await.status, 401);
    Answer::of(request().bearer_auth(&key)).await.is(200);
}

#[tokio::test]
async fn where_everybody_is_answered_the_administration_takes_a_key() {
    let store = Store::file();
    let open = ["serve", "--port", "0", "--allow-unauthenticated"];
    let alula = store.over(alula(&open)).listen();
    alula.get("/v1/models").await.is(200);
    let refused = alula.get("/admin/keys").await.detail(403);
    assert!(refused.contains("alula keys create"), "{refused}");
    let key = store.key(&["--scopes", "admin"]);
    alula.with_key(&key, "GET", "/admin/keys", None).await.is(200);
    assert_eq!(alula.get("/v1/models").await.status, 401, "keys come before the switch");
}

/// Two servers over one database: what is done to a key is done in both.
#[tokio::test]
async fn a_change_reaches_every_process_within_a_second() {
    let postgres = Postgres::start();
    let shared = postgres.as_ref().map(|postgres| Store::at(postgres.url()));
    for store in [Some(Store::file()), shared].into_iter().flatten() {
        let servers = [store.over(serve()).listen(), store.over(serve()).listen()];
        for server in &servers {
            server.get("/v1/models").await.is(200);
        }
        // The first key closes both.
        let mut key = store.key(&[]);
        within_a_second(&servers, None, 401).await;
        let mut fastest = Duration::MAX;
        // A busy machine may be slow once, but not always.
        for _ in 0..3 {
            within_a_second(&servers, Some(&key), 200).await;
            assert_eq!(store.keys(&["revoke", id_of(&key)]).code, Some(0));
            fastest = fastest.min(within_a_second(&servers, Some(&key), 401).await);
            // A new one is good at once, also where nobody has looked.
            key = store.key(&[]);
            for server in &servers {
                server.with_key(&key, "GET", "/v1/models", None).await.is(200);
            }
        }
        println!("revoked in two processes within {fastest:?}");
        assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    }
}

/// Waits until all servers answer so, and says how long that took.
async fn within_a_second(servers: &[Alula], key: Option<&str>, status: u16) -> Duration {
    let since = Instant::now();
    for server in servers {
        while server.with_key(key.unwrap_or_default(), "GET", "/v1/models", None).await.status
            != status
        {
            assert!(since.elapsed() < PATIENCE, "no {status} with {key:?}");
        }
    }
    since.elapsed()
}

#[tokio::test]
async fn what_is_kept_opens_nothing() {
    let store = Store::file();
    let key = store.key(&["--scopes", "models,admin"]);
    let (_, secret) = key.rsplit_once('-').unwrap();
    let pool = sqlx::SqlitePool::connect(store.url()).await.unwrap();
    let (hash,): (Vec<u8>,) =
        sqlx::query_as("SELECT hash FROM api_keys").fetch_one(&pool).await.unwrap();
    pool.close().await;
    for file in fs::read_dir(store.dir()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let alula = store.over(serve()).listen();
    let id = id_of(&key);
    for stolen in
        [hex.clone(), id.to_owned(), format!("sk-alula-{id}-{hex}"), format!("sk-alula-{id}-")]
    {
        let answer = alula.with_key(&stolen, "GET", "/v1/models", None).await;
        assert_eq!(answer.status, 401, "{stolen}");
    }
    alula.with_key(&key, "GET", "/v1/models", None).await.is(200);
}

#[tokio::test]
async fn without_the_database_known_keys_go_on_for_a_while() {
    let Some(mut postgres) = Postgres::start() else { return };
    let store = Store::at(postgres.url());
    let (key, elsewhere) = (store.key(&[]), Store::file().key(&[]));
    let patient = store.over(serve()).listen();
    let hasty = store.over(serve()).env("ALULA_KEYS_STALE_SECONDS", "0.1").listen();
    let ask =
        async |server: &Alula, key: &str| server.with_key(key, "GET", "/v1/models", None).await;
    ask(&patient, &elsewhere).await.is(401);

    postgres.kill();
    hasty.logged("none is good now");
    patient.logged("keys cannot be read");
    assert_eq!(ask(&hasty, &key).await.status, 503);
    ask(&patient, &key).await.is(200);
    let unknown = ask(&patient, &elsewhere).await;
    assert_eq!(unknown.status, 503, "nobody knows: {unknown:?}");
    assert_eq!(unknown.header("retry-after"), "1");

    postgres.restart();
    let back = Instant::now();
    while ask(&hasty, &key).await.status != 200 {
        assert!(back.elapsed() < PATIENCE, "it does not come back");
    }
    println!("back within {:?}", back.elapsed());
    assert_eq!(ask(&patient, &elsewhere).await.status, 401);
}

#[tokio::test]
async fn guesses_do_not_fill_the_log() {
    let store = Store::file();
    store.key(&[]);
    let alula = store.over(serve()).listen();
    let guess = Store::file().key(&[]);
    let began = Instant::now();
    for _ in 0..20 {
        let guesses = (0..20).map(|_| alula.with_key(&guess, "GET", "/v1/models", None));
        for answer in futures_util::future::join_all(guesses).await {
            assert_eq!(answer.status, 401);
        }
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let lines = alula.count_logged("alula::auth: not let in");
    // 400 guesses, and ten lines in each second that was begun.
    assert!((1..=10 * (seconds + 2)).contains(&lines), "{lines} lines in {seconds} s");
    assert_eq!(alula.count_logged(id_of(&guess)), lines);
    let (_, secret) = guess.rsplit_once('-').unwrap();
    assert_eq!(alula.count_logged(secret), 0);
}

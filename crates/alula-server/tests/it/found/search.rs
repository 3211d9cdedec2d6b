//! `GET /search` and `POST /search`.

use std::{
    fs,
    time::{Duration, Instant},
};

use alula_llm::testing::{FakeProvider, Fault};
use alula_rag::{SqlStore, Store as _, StoreSettings};
use serde_json::{Value, json};

use super::{Document, WINGS, archive};
use crate::{
    client::{Answer, http},
    keys::{Store, id_of},
    postgres::Postgres,
    process::{Start, serve, serve_openai},
    upstream::{Upstream, answer},
};

/// A server that makes vectors by the model `e` of a provider.
fn serve_with_vectors(fake: &FakeProvider) -> Start {
    serve_openai(&fake.url()).env("ALULA_EMBEDDING_MODEL", "openai/e").env("ALULA_ATTEMPTS", "1")
}

/// The documents of results, in their order.
fn documents_of(found: &Value) -> Vec<&str> {
    let results = found["results"].as_array().unwrap();
    results.iter().map(|it| it["document_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_says_where_it_stands() {
    let store = Store::file();
    Document::new("wings", WINGS).put(&store, "").await;
    let alula = store.over(serve()).listen();
    let found = alula.get("/search?query=what+is+an+Alula%3F").await.is(200);
    let chunk_id = found["results"][0]["chunk_id"].as_str().unwrap();
    assert_eq!(chunk_id.len(), 32);
    let score = found["results"][0]["score"].as_f64().unwrap();
    assert!(score > 0.0 && score <= 1.0, "{score}");
    let expected = json!({
        "query": "what is an Alula?",
        "mode": "keyword",
        "limit": 10,
        "offset": 0,
        "has_more": false,
        "results": [{
            "text": WINGS[0],
            "score": score,
            "document_id": "wings",
            "filename": "wings.pdf",
            "page": 1,
            "span": { "start": 0, "end": 59 },
            "headings": ["Birds"],
            "highlights": [{ "start": 4, "end": 9 }],
            "attributes": {},
            "chunk_id": chunk_id,
        }],
    });
    assert_eq!(found, expected);
    let body = json!({ "query": "what is an Alula?", "mode": "keyword" });
    assert_eq!(alula.post("/search", &body).await.is(200), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_postgres_are_found_as_well() {
    let Some(postgres) = Postgres::start() else { return };
    let store = Store::at(postgres.url());
    let start = || store.over(serve()).env("ALULA_JOBS_RUNNING_MAX", "0");
    // The first start makes the tables.
    start().listen().end();
    let documents = SqlStore::connect(store.url(), 2, &StoreSettings::default()).await.unwrap();
    Document::new("wings", WINGS).put_into(&documents, "").await;
    documents.close().await;
    let alula = start().listen();
    let found = alula.get("/search?query=alula").await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("keyword"), vec!["wings"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_of_one_list() {
    let store = Store::file();
    let names: Vec<String> = (0..7).map(|number| format!("d{number}")).collect();
    for name in &names {
        Document::new(name, &["A feather."]).put(&store, "").await;
    }
    archive(&store, "", "d3").await;
    let alula = store.over(serve()).listen();
    let mut all = Vec::new();
    for (offset, has_more) in [(0, true), (2, true), (4, false), (6, false)] {
        let path = format!("/search?query=feather&limit=2&offset={offset}");
        let found = alula.get(&path).await.is(200);
        assert_eq!(found["has_more"], has_more, "{found}");
        all.extend(documents_of(&found).into_iter().map(str::to_owned));
    }
    all.sort();
    assert_eq!(all, ["d0", "d1", "d2", "d4", "d5", "d6"]);
    let found = alula.get("/search?query=feather&include_archived=true").await.is(200);
    assert_eq!(documents_of(&found).len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_is_the_last_that_can_be_asked_for() {
    let store = Store::file();
    let pages = vec!["A feather."; 210];
    Document::new("many", &pages).put(&store, "").await;
    let alula = store.over(serve()).env("ALULA_SEARCH_LIMIT_MAX", "30").listen();
    let (mut offset, mut all) = (0, 0);
    loop {
        let path = format!("/search?query=feather&limit=30&offset={offset}");
        let found = alula.get(&path).await.is(200);
        let count = found["results"].as_array().unwrap().len();
        (offset, all) = (offset + 30, all + count);
        if found["has_more"] == false {
            break;
        }
        assert_eq!(count, 30, "{found}");
    }
    assert_eq!(all, 200);
}

/// Once in a while a model answers something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_vector_of_a_query_that_is_of_no_use_is_not_kept() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    let mut document = Document::new("wings", WINGS);
    document.vectors = Some(("openai/e", &[[1.0, 0.0], [0.0, 1.0]]));
    document.put(&store, "").await;
    let alula = store.over(serve_with_vectors(&fake)).listen();
    fake.turn().embeds([vec![1.0, 0.0, 0.0]]);
    fake.turn().embeds([[1.0, 0.0]]);
    for (mode, has_reason) in [("keyword", true), ("hybrid", false), ("hybrid", false)] {
        let found = alula.get("/search?query=alula").await.is(200);
        assert_eq!((&found["mode"], found["fallback"].is_string()), (&json!(mode), has_reason));
    }
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_a_request_of_its_key() {
    let store = Store::file();
    let toml = "[plans.one]\nrequests_per_minute = 1\n";
    fs::write(store.dir().join("alula.toml"), toml).unwrap();
    let key = store.key(&["--plan", "one"]);
    let alula = store.over(serve()).listen();
    let answer = alula.with_key(&key, "GET", "/search?query=a", None).await;
    answer.is(200);
    let answer = alula.with_key(&key, "GET", "/search?query=a", None).await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_another_site_pays_with_a_search() {
    let store = Store::file();
    let alula = store.over(serve()).listen();
    let request = http().get(alula.url("/search?query=a")).header("sec-fetch-site", "cross-site");
    assert_eq!(Answer::of(request).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_chosen_by_what_is_known_of_them() {
    let store = Store::file();
    for (name, year) in [("old", 1990.0), ("new", 2026.0)] {
        let mut document = Document::new(name, &["A feather."]);
        document.attributes = document.attributes.with("year", year);
        document.put(&store, "").await;
    }
    let alula = store.over(serve()).listen();
    let asked = async |more: Value| {
        let mut body = json!({ "query": "feather" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        alula.post("/search", &body).await
    };
    let late = json!({ "type": "gte", "key": "year", "value": 2000 });
    let found = asked(json!({ "filters": late })).await.is(200);
    assert_eq!(documents_of(&found), ["new"]);
    assert_eq!(found["results"][0]["attributes"], json!({ "year": 2026.0 }));
    let found = asked(json!({ "document_ids": ["old"] })).await.is(200);
    assert_eq!(documents_of(&found), ["old"]);
    let wrong = json!({ "type": "and", "filters": [late, { "type": "eq", "key": "year" }] });
    let error = asked(json!({ "filters": wrong })).await.is(422);
    let place = json!(["body", "filters", "filters", 1, "value"]);
    assert_eq!(error["detail"][0]["loc"], place, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_searched_for_is_refused() {
    let store = Store::file();
    let alula = store.over(serve()).env("ALULA_SEARCH_LIMIT_MAX", "20").listen();
    for path in
        ["/search", "/search?query=", "/search?query=a&limit=0", "/search?query=a&offset=-1"]
    {
        alula.get(path).await.is(422);
    }
    let found = alula.get("/search?query=a").await.is(200);
    assert_eq!(found["limit"], 10);
    let error = alula.get("/search?query=a&limit=21").await.is(422);
    assert_eq!(error["detail"][0]["loc"], json!(["query", "limit"]));
    let error = alula.post("/search", &json!({ "query": "a", "filter": {} })).await.is(422);
    assert_eq!(error["detail"][0]["type"], "extra_forbidden");
    // Without a model there are no vectors.
    let body = json!({ "query": "a", "mode": "vector" });
    let error = alula.post("/search", &body).await.detail(409);
    assert!(error.contains("no embedding model"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_embedded_once_for_all_pages_and_its_key_pays() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    let (key, other) = (store.key(&[]), store.key(&[]));
    let mut near = Document::new("near", &["Nothing in common."]);
    near.vectors = Some(("openai/e", &[[1.0, 0.0]]));
    near.put(&store, id_of(&key)).await;
    let mut far = Document::new("far", &["A feather."]);
    far.vectors = Some(("openai/e", &[[0.0, 1.0]]));
    far.put(&store, id_of(&key)).await;
    fake.turn()
        .expects(json!({ "model": "e", "input": ["plumage"] }))
        .embeds([[1.0, 0.0]])
        .usage(3, 0);
    let alula = store.over(serve_with_vectors(&fake)).listen();
    let path = "/search?query=plumage&limit=1";
    let found = alula.with_key(&key, "GET", path, None).await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("hybrid"), vec!["near"]));
    let path = "/search?query=plumage&limit=1&offset=1";
    let found = alula.with_key(&key, "GET", path, None).await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("hybrid"), vec!["far"]));
    // Somebody else has no documents, and asks no model for them.
    let found = alula.with_key(&other, "GET", "/search?query=feather", None).await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("keyword"), vec![]));
    fake.finish();
    alula.end();
    let usage = store.over(crate::process::alula(&["usage", "--by", "key,operation", "--json"]));
    let usage = usage.end().stdout;
    let line: Value = serde_json::from_str(usage.trim()).unwrap();
    assert_eq!((&line["key"], &line["operation"]), (&json!(id_of(&key)), &json!("embeddings")));
    assert_eq!((&line["calls"], &line["input_tokens"]), (&json!(1), &json!(3)), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_down_leaves_the_words() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    let mut document = Document::new("wings", WINGS);
    document.vectors = Some(("openai/e", &[[1.0, 0.0], [0.0, 1.0]]));
    document.put(&store, "").await;
    fake.turn().then(Fault::Status(500)).times(2);
    let alula = store.over(serve_with_vectors(&fake)).listen();
    let found = alula.get("/search?query=alula").await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("keyword"), vec!["wings"]));
    assert!(found["fallback"].is_string(), "{found}");
    // Who demands vectors is told that there are none.
    alula.post("/search", &json!({ "query": "alula", "mode": "hybrid" })).await.detail(502);
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_slow_is_not_waited_for() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    let mut document = Document::new("wings", WINGS);
    document.vectors = Some(("openai/e", &[[1.0, 0.0], [0.0, 1.0]]));
    document.put(&store, "").await;
    // More is not asked: three in a row are enough to know.
    fake.turn().then(Fault::Stall).times(3);
    let start = serve_with_vectors(&fake).env("ALULA_SEARCH_EMBEDDING_SECONDS", "1");
    let alula = store.over(start).listen();
    let ask = async || {
        let started = Instant::now();
        let found = alula.get("/search?query=alula").await.is(200);
        assert_eq!((&found["mode"], documents_of(&found)), (&json!("keyword"), vec!["wings"]));
        (started.elapsed(), found["fallback"].as_str().unwrap().to_owned())
    };
    for _ in 0..3 {
        let (time, fallback) = ask().await;
        assert!(time >= Duration::from_secs(1), "{time:?}: {fallback}");
    }
    let (time, fallback) = ask().await;
    assert!(time < Duration::from_secs(1), "{time:?}: {fallback}");
    fake.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_many_at_once_is_embedded_once() {
    let upstream = Upstream::start();
    let store = Store::file();
    let mut document = Document::new("wings", WINGS);
    document.vectors = Some(("openai/e", &[[1.0, 0.0], [0.0, 1.0]]));
    document.put(&store, "").await;
    let start = serve_openai(&upstream.url()).env("ALULA_EMBEDDING_MODEL", "openai/e");
    let alula = store.over(start).listen();
    let searches = (0..6).map(|_| alula.get("/search?query=plumage"));
    let answered = async {
        let call = upstream.call().await;
        assert_eq!(call.body["input"], json!(["plumage"]));
        let data = json!([{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]);
        let body = json!({"object": "list", "model": "e", "data": data,
            "usage": {"prompt_tokens": 1, "total_tokens": 1}});
        call.answer(&answer("200 OK", &body.to_string())).await;
    };
    let (found, ()) = tokio::join!(futures_util::future::join_all(searches), answered);
    for found in found {
        assert_eq!(documents_of(&found.is(200)), ["wings", "wings"]);
    }
    assert!(upstream.is_left_alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_those_of_the_model_behind_a_name() {
    let fake = FakeProvider::start().await;
    let store = Store::file();
    let mut document = Document::new("wings", &["A feather."]);
    document.vectors = Some(("openai/e-1", &[[1.0, 0.0]]));
    document.put(&store, "").await;
    let file = store.dir().join("alula.toml");
    let names = |model: &str| {
        fs::write(&file, format!("[models.vectors]\ntargets = [\"openai/{model}\"]\n")).unwrap();
    };
    names("e-1");
    fake.turn().expects(json!({ "model": "e-1" })).embeds([[1.0, 0.0]]);
    let start = serve_openai(&fake.url()).env("ALULA_EMBEDDING_MODEL", "vectors");
    let alula = store.over(start).listen();
    let found = alula.get("/search?query=plumage").await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("hybrid"), vec!["wings"]));
    // The name leads to another model now, of which there are no vectors.
    names("e-2");
    alula.signal("HUP");
    alula.logged("the configuration was read again");
    let found = alula.get("/search?query=plumage").await.is(200);
    assert_eq!((&found["mode"], documents_of(&found)), (&json!("keyword"), vec![]));
    fake.finish();
}

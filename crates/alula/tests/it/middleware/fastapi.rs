//! The answers of FastAPI's middleware, from `fixtures/fastapi/middleware.json`.

use std::{collections::BTreeMap, fmt::Write as _};

use alula::{
    App, ByteStream, HttpError, Json, Result, Sse, Stream, get,
    http::{Method, Response, header},
    middleware::{Cors, HttpsRedirect, TrustedHosts},
    post,
    testing::{TestClient, TestResponse},
};
use futures_util::stream;
use serde::Deserialize;

use crate::fixture;

#[derive(Deserialize)]
struct Case {
    app: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    status: u16,
    answer: BTreeMap<String, String>,
    body: Option<String>,
}

async fn items() -> Json<[u8; 1]> {
    Json([1])
}

async fn create() -> Result<()> {
    Err(HttpError::conflict("taken"))
}

fn long() -> Json<String> {
    Json("x".repeat(1000))
}

fn with(name: header::HeaderName, value: &'static str) -> Response<alula::Body> {
    let body = alula::Body::from(format!("\"{}\"", "x".repeat(1000)));
    let response = Response::builder().header(name, value);
    response.header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

async fn events() -> Sse<impl Stream<Item = u8>> {
    Sse::new(stream::iter([1; 200]))
}

fn app(name: &str) -> App {
    let app = App::new("Middleware", "1.0.0")
        .route(get("/items", items))
        .route(post("/items", create))
        .route(get("/long", async || long()))
        .route(get("/vary", async || with(header::VARY, "Cookie")))
        .route(get("/encoded", async || with(header::CONTENT_ENCODING, "br")))
        .route(get("/events", events));
    let a = Cors::new().origin("https://a.example");
    match name {
        "cors one" => app.layer(a),
        "cors any" => app.layer(Cors::new().any_origin().any_method()),
        "cors full" => app.layer(
            a.origin("http://localhost:3000")
                .origin_pattern(r"https://.*\.b\.example")
                .any_method()
                .headers(["X-Token", "Authorization"])
                .credentials()
                .expose(["X-Request-Id", "X-Total"])
                .max_age(std::time::Duration::from_secs(60)),
        ),
        "cors headers" => {
            app.layer(a.methods([Method::POST, Method::DELETE]).any_header().private_network())
        }
        "hosts" => app.layer(TrustedHosts::new(["a.example", "*.b.example", "www.c.example"])),
        "https" => app.layer(HttpsRedirect::new()),
        #[cfg(feature = "compression")]
        "gzip" => app.layer(alula::middleware::Compression::new()),
        other => panic!("{other}"),
    }
}

async fn ask(client: &TestClient, case: &Case) -> TestResponse {
    let method = Method::from_bytes(case.method.as_bytes()).unwrap();
    let mut request = client.request(method, &case.target);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    request.await
}

/// Names of headers have no case.
fn show<'a>(status: u16, headers: impl Iterator<Item = (&'a String, String)>) -> String {
    headers.fold(status.to_string(), |mut text, (name, value)| {
        let value = if name.ends_with("headers") { value.to_ascii_lowercase() } else { value };
        write!(text, " | {name}: {value}").unwrap();
        text
    })
}

/// FastAPI says it in plain text.
fn as_json(status: u16, text: &str) -> String {
    match status {
        400.. if !text.starts_with('{') => format!(r#"{{"detail":"{text}"}}"#),
        _ => text.to_owned(),
    }
}

#[tokio::test]
async fn every_answer_is_that_of_fastapi() {
    let cases: Vec<Case> = fixture::read("middleware.json");
    let names = cases.iter().flat_map(|case| case.answer.keys().cloned());
    let shown: std::collections::BTreeSet<String> = names.collect();
    let mut clients: BTreeMap<&str, TestClient> = BTreeMap::new();
    let mut compared = Vec::new();
    for case in &cases {
        if case.app == "gzip" && !cfg!(feature = "compression") {
            continue;
        }
        if !clients.contains_key(&*case.app) {
            clients.insert(&case.app, app(&case.app).client().await);
        }
        let response = ask(&clients[&*case.app], case).await;
        let answered = shown.iter().filter_map(|name| {
            let values = response.headers().get_all(name).iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            (!values.is_empty()).then(|| (name, values.join(", ")))
        });
        let mut found = show(response.status().as_u16(), answered);
        let mut expected =
            show(case.status, case.answer.iter().map(|(name, value)| (name, value.clone())));
        if let Some(body) = &case.body {
            write!(expected, " | {}", as_json(case.status, body)).unwrap();
            write!(found, " | {}", response.text()).unwrap();
        }
        let name = format!("{}: {} {} {:?}", case.app, case.method, case.target, case.headers);
        compared.push((name, expected, found));
    }
    assert!(compared.len() > 100);
    fixture::assert_same(compared);
}

#[tokio::test]
async fn a_stream_of_bytes_is_not_compressed_as_its_length_is_unknown() {
    // FastAPI compresses it, and flushes after each piece.
    async fn chunks() -> ByteStream<impl Stream<Item = &'static str>> {
        ByteStream::new(stream::iter(["x"; 2000])).content_type("text/plain")
    }
    let app = App::new("Middleware", "1.0.0").route(get("/", chunks));
    #[cfg(feature = "compression")]
    let app = app.layer(alula::middleware::Compression::new());
    let response = app.client().await.get("/").header("accept-encoding", "gzip").await;
    assert_eq!((response.header("content-encoding"), response.bytes().len()), ("", 2000));
}

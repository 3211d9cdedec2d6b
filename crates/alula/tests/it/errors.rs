//! Every way a request can be wrong has a JSON answer.

use std::time::Duration;

use alula::{
    http::{HeaderValue, header},
    prelude::*,
    testing::TestResponse,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema, Validate)]
struct In {
    y: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Q {
    q: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct H {
    h: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct C {
    c: i64,
}

/// The arguments stand in another order than the errors come out.
#[post("/all/{p}")]
async fn all(
    Json(body): Json<In>,
    Cookie(cookie): Cookie<C>,
    Header(header): Header<H>,
    Query(query): Query<Q>,
    Path(path): Path<i64>,
) -> Json<Vec<i64>> {
    Json(vec![path, query.q, header.h, cookie.c, body.y])
}

#[get("/item")]
async fn item() -> Json<u8> {
    Json(1)
}

#[post("/small", max_body = 8)]
async fn small(Json(body): Json<Value>) -> Json<Value> {
    Json(body)
}

async fn client() -> alula::testing::TestClient {
    App::new("Errors", "1.0.0").routes(routes![all, item, small]).client().await
}

fn error(response: &TestResponse) -> (u16, Value) {
    assert_eq!(response.header("content-type"), "application/json");
    assert!(!response.header("x-request-id").is_empty());
    (response.status().as_u16(), response.json::<Value>()["detail"].clone())
}

#[tokio::test]
async fn mistakes_from_everywhere_come_in_one_answer() {
    let client = client().await;
    let response = client.post("/all/x?q=y").header("h", "i").json(&json!({"y": []})).await;
    let expected = concat!(
        r#"{"detail":[{"type":"int_parsing","loc":["path","p"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"},"#,
        r#"{"type":"int_parsing","loc":["query","q"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"y"},"#,
        r#"{"type":"int_parsing","loc":["header","h"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"i"},"#,
        r#"{"type":"missing","loc":["cookie","c"],"msg":"Field required","input":null},"#,
        r#"{"type":"int_type","loc":["body","y"],"msg":"Input should be a valid integer","input":[]}]}"#,
    );
    assert_eq!(response.status(), 422);
    assert_eq!(response.text(), expected);
}

#[tokio::test]
async fn the_same_request_without_mistakes_is_read() {
    let client = client().await;
    let request = client.post("/all/1?q=2").header("h", "3").header("cookie", "a=b; c=4");
    assert_eq!(request.json(&json!({"y": 5})).await.json::<Vec<i64>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_json() {
    let client = client().await;
    assert_eq!(error(&client.get("/nope").await), (404, json!("Not Found")));
    let response = client.put("/item").await;
    assert_eq!(error(&response), (405, json!("Method Not Allowed")));
    assert_eq!(response.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let client = client().await;
    assert_eq!(client.post("/small").body("application/json", "12345678").await.status(), 200);
    let response = client.post("/small").body("application/json", "123456789").await;
    assert_eq!(error(&response), (413, json!("The request body is larger than 8 bytes")));
    // Without a length the limit is found while reading.
    let pieces = futures_util::stream::iter(["1234", "5678", "9"].map(Ok::<_, std::io::Error>));
    let body = alula::Body::from_stream(pieces);
    let response = client.post("/small").body("application/json", body).await;
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let client = client().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let response = client.post("/small").body(content_type, "1").await;
        let expected = "Unsupported Media Type: send the body as application/json";
        assert_eq!(error(&response), (415, json!(expected)), "{content_type}");
    }
    let vendor = client.post("/small").body("application/vnd.api+json", "1").await;
    assert_eq!(vendor.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_explained_as_in_fastapi() {
    let client = client().await;
    let send = |body: &'static [u8]| client.post("/all/1?q=x").body("application/json", body);

    let response = send(b"{\"y\": \"\xff\"}").await;
    assert_eq!(error(&response), (400, json!("There was an error parsing the body")));

    let response = send(br#"{"model": "x", }"#).await;
    let expected = json!([{
        "type": "json_invalid", "loc": ["body", 15], "msg": "JSON decode error", "input": {},
        "ctx": {"error": "Expecting property name enclosed in double quotes"},
    }]);
    assert_eq!(error(&response), (422, expected));

    let (status, detail) = error(&send(b"").await);
    assert_eq!(status, 422);
    let missing =
        json!({"type": "missing", "loc": ["body"], "msg": "Field required", "input": null});
    assert!(detail.as_array().unwrap().contains(&missing), "{detail}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_mistake() {
    let client = client().await;
    let broken = futures_util::stream::iter([Ok("1"), Err(std::io::Error::other("gone"))]);
    let body = alula::Body::from_stream(broken);
    let response = client.post("/small").body("application/json", body).await;
    assert_eq!(error(&response), (400, json!("The request body broke off")));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let client = client().await;
    let body =
        alula::Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let response = client.post("/small").body("application/json", body).await;
    assert_eq!(error(&response), (408, json!("The request body stalled")));
}

/// A body that is one string, of so many bytes each second.
fn drip(bytes: usize) -> alula::Body {
    let start = futures_util::stream::iter(["\""]);
    let pieces = futures_util::stream::repeat("x".repeat(bytes)).then(|piece| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        piece
    });
    let whole = start
        .map(str::to_owned)
        .chain(pieces.take(60))
        .chain(futures_util::stream::iter(["\"".to_owned()]));
    alula::Body::from_stream(whole.map(Ok::<_, std::io::Error>))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_too_slowly_is_given_up() {
    async fn length(Json(text): Json<String>) -> Json<usize> {
        Json(text.len())
    }
    let client = App::new("Drip", "1").route(post("/", length)).client().await;
    let slow = client.post("/").body("application/json", drip(100)).await;
    let detail = json!("The request body comes too slowly");
    // 100 bytes a second fall behind 240 soon after the grace of 10 s.
    assert_eq!(error(&slow), (408, detail));
    let enough = client.post("/").body("application/json", drip(250)).await;
    assert_eq!(enough.json::<usize>(), 60 * 250);
}

#[tokio::test]
async fn credentials_that_are_missing_are_a_401_with_the_scheme() {
    async fn bearer(token: Bearer) -> Json<String> {
        Json(token.into_inner())
    }
    async fn key(key: ApiKey) -> Json<String> {
        Json(key.into_inner())
    }
    async fn optional(token: Option<Bearer>) -> Json<bool> {
        Json(token.is_some())
    }
    let app = App::new("Errors", "1.0.0");
    let app =
        app.route(get("/bearer", bearer)).route(get("/key", key)).route(get("/optional", optional));
    let client = app.client().await;
    for (path, scheme) in [("/bearer", "Bearer"), ("/key", "APIKey")] {
        let response = client.get(path).await;
        assert_eq!(error(&response), (401, json!("Not authenticated")));
        assert_eq!(response.header("www-authenticate"), scheme);
    }
    let basic = client.get("/bearer").header("authorization", "Basic x").await;
    assert_eq!(basic.status(), 401);
    assert_eq!(client.get("/bearer").bearer("t").await.json::<String>(), "t");
    assert_eq!(client.get("/key").header("x-api-key", "k").await.json::<String>(), "k");
    assert!(!client.get("/optional").await.json::<bool>());
    assert!(client.get("/optional").bearer("t").await.json::<bool>());
}

#[tokio::test]
async fn a_dependency_that_is_used_twice_complains_once() {
    #[dependency]
    async fn page(Query(query): Query<Q>) -> i64 {
        query.q
    }
    #[dependency]
    async fn next(page: Depends<page>) -> i64 {
        *page + 1
    }
    async fn handler(_page: Depends<page>, _next: Depends<next>, Header(_): Header<H>) {}
    let app = App::new("Errors", "1.0.0").route(get("/", handler).depends::<page>());
    let (status, detail) = error(&app.client().await.get("/?q=x").await);
    let places: Vec<_> = detail.as_array().unwrap().iter().map(|entry| &entry["loc"]).collect();
    assert_eq!((status, places), (422, vec![&json!(["query", "q"]), &json!(["header", "h"])]));
}

#[tokio::test]
async fn text_that_is_not_utf8_is_answered_in_every_place() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Named {
        name: String,
    }
    async fn path(Path(name): Path<String>) -> Json<String> {
        Json(name)
    }
    async fn query(Query(named): Query<Named>) -> Json<String> {
        Json(named.name)
    }
    let app = App::new("Errors", "1.0.0").route(get("/path/{name}", path));
    let client = app.route(get("/query", query)).client().await;
    assert_eq!(error(&client.get("/path/%FF").await).0, 400);
    assert_eq!(client.get("/path/%C3%A9").await.json::<String>(), "é");
    // As in FastAPI, a query has replacement characters instead.
    assert_eq!(client.get("/query?name=%FF").await.json::<String>(), "\u{fffd}");
}

#[tokio::test]
async fn headers_of_an_error_do_not_contradict_its_body() {
    async fn passes_on() -> Result<()> {
        Err(HttpError::new(502, "upstream")
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.a+json"))
            .header(header::CONTENT_LENGTH, HeaderValue::from_static("7"))
            .header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
            .header(header::SET_COOKIE, HeaderValue::from_static("a=1"))
            .header(header::SET_COOKIE, HeaderValue::from_static("b=2")))
    }
    let client = App::new("Errors", "1.0.0").route(get("/", passes_on)).client().await;
    let response = client.get("/").await;
    assert_eq!(response.text(), r#"{"detail":"upstream"}"#);
    let all = |name: &str| -> Vec<_> { response.headers().get_all(name).iter().collect() };
    assert_eq!(all("content-type"), ["application/vnd.a+json"]);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    assert_ne!(response.header("content-length"), "7");
    assert!(all("transfer-encoding").is_empty());
}

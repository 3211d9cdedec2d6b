//! Axum around an application, inside of it, and in the arguments of its endpoints.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::SeqCst},
};

use alula::{
    Axum, AxumBody, Body, Shutdown,
    http::Response,
    middleware::{HttpsRedirect, IsHttps},
    prelude::*,
};
use axum::{
    extract::{Extension, FromRequest, FromRequestParts, RawQuery, Request},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect},
};
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower_service::Service as _;

/// Refuses as the header `x-how` says.
struct Picky;

impl FromRequestParts<()> for Picky {
    type Rejection = axum::response::Response;

    async fn from_request_parts(parts: &mut Parts, (): &()) -> Result<Self, Self::Rejection> {
        Err(match parts.headers.get("x-how").map(|value| value.as_bytes()) {
            None => return Ok(Self),
            Some(b"text") => {
                (StatusCode::IM_A_TEAPOT, [("x-kettle", "on")], "no coffee").into_response()
            }
            Some(b"json") => {
                let body = Body::from(r#"{"code":7}"#);
                let head = [(header::CONTENT_TYPE, "application/json")];
                (StatusCode::PAYMENT_REQUIRED, head, body).into_response()
            }
            Some(b"empty") => StatusCode::FORBIDDEN.into_response(),
            Some(b"long") => (StatusCode::BAD_REQUEST, "x".repeat(5000)).into_response(),
            Some(b"binary") => (StatusCode::BAD_REQUEST, vec![0xff]).into_response(),
            Some(b"elsewhere") => Redirect::to("/login").into_response(),
            Some(_) => (StatusCode::OK, "no refusal").into_response(),
        })
    }
}

#[post("/picky")]
async fn picky(Json(number): Json<u8>, _: Axum<Picky>) -> Json<u8> {
    Json(number)
}

#[tokio::test]
async fn a_refusal_keeps_its_status_its_headers_and_its_text() {
    let client = App::new("Picky", "1.0.0").routes(routes![picky]).client().await;
    assert_eq!(client.post("/picky").json(&1).await.text(), "1");
    for (how, status, body) in [
        ("text", 418, r#"{"detail":"no coffee"}"#),
        ("json", 402, r#"{"detail":{"code":7}}"#),
        ("empty", 403, r#"{"detail":"Forbidden"}"#),
        ("long", 400, r#"{"detail":"Bad Request"}"#),
        ("binary", 400, r#"{"detail":"Bad Request"}"#),
        ("elsewhere", 303, r#"{"detail":"See Other"}"#),
        ("none", 500, r#"{"detail":"no refusal"}"#),
    ] {
        // Also where the body is wrong, which is read later.
        let response = client.post("/picky").header("x-how", how).body("text/plain", "?").await;
        assert_eq!((response.status().as_u16(), response.text()), (status, body), "{how}");
        assert_eq!(response.header("content-type"), "application/json", "{how}");
        assert_eq!(response.header("x-kettle"), if how == "text" { "on" } else { "" });
        assert_eq!(response.header("location"), if how == "elsewhere" { "/login" } else { "" });
    }
}

#[tokio::test]
async fn extractors_of_axum_see_its_router_and_the_layers() {
    #[get("/items/{id}")]
    async fn item(
        Axum(RawQuery(query)): Axum<RawQuery>,
        Axum(Extension(number)): Axum<Extension<u8>>,
        Axum(axum::extract::Path(id)): Axum<axum::extract::Path<u8>>,
    ) -> Json<(Option<String>, u8, u8)> {
        Json((query, number, id))
    }
    let app = || App::new("Items", "1.0.0").routes(routes![item]);
    let client = app().layer(Extension(7_u8)).client().await;
    assert_eq!(client.get("/items/3?q").await.text(), r#"["q",7,3]"#);
    assert_eq!(app().client().await.get("/items/3").await.status(), 500);
}

/// What refuses every body that it can read.
struct Unread;

impl FromRequest<()> for Unread {
    type Rejection = (StatusCode, &'static str);

    async fn from_request(_: Request, (): &()) -> Result<Self, Self::Rejection> {
        Err((StatusCode::CONFLICT, "not this one"))
    }
}

#[tokio::test]
async fn a_body_is_read_by_axum_under_the_limits_of_the_route() {
    async fn count(AxumBody(body): AxumBody<String>) -> Json<usize> {
        Json(body.len())
    }
    async fn unread(_: AxumBody<Unread>) {}
    const MEBIBYTE: usize = 1 << 20;
    let app = || {
        App::new("Bodies", "1.0.0").routes([
            post("/usual", count),
            post("/small", count).max_body(4),
            post("/large", count).max_body(4 * MEBIBYTE),
            post("/unread", unread),
        ])
    };
    let client = app().client().await;
    let large = "x".repeat(3 * MEBIBYTE);
    let send =
        |path: &'static str, body: &str| client.post(path).body("text/plain", body.to_owned());
    assert_eq!(send("/small", "wing").await.text(), "4");
    // Beyond what axum would take by itself.
    assert_eq!(send("/large", &large).await.json::<usize>(), large.len());
    for (path, body) in [("/small", "wings"), ("/usual", &large)] {
        let refused = send(path, body).await;
        assert_eq!(refused.status(), 413, "{path}");
        assert!(refused.text().contains("larger than"), "{}", refused.text());
    }
    // One that does not say how large it is.
    let pieces = stream::iter(["wi", "ng", "s"].map(Ok::<_, std::io::Error>));
    let request = client.post("/small").body("text/plain", Body::from_stream(pieces));
    assert_eq!(request.await.status(), 413);
    let refused = send("/usual", "").body("text/plain", vec![0xff]).await;
    assert_eq!(refused.status(), 400);
    let refused = send("/unread", "x").await;
    assert_eq!((refused.status().as_u16(), refused.text()), (409, r#"{"detail":"not this one"}"#));

    let body = &app().openapi().unwrap()["paths"]["/usual"]["post"]["requestBody"];
    assert_eq!(*body, json!({"required": false, "content": {"*/*": {"schema": {}}}}));
}

#[test]
fn a_body_that_axum_reads_is_read_by_nobody_else() {
    async fn both(_: AxumBody<String>, _: Json<u8>) {}
    let error = App::new("Both", "1.0.0").route(post("/", both)).openapi().unwrap_err();
    assert!(error.to_string().contains("two inputs"), "{error}");
}

/// Axum routes, with a fallback that gives way.
fn old() -> axum::Router {
    let read = axum::routing::get(|| async { "old" });
    axum::Router::new()
        .route("/old", read.clone())
        .route("/both", read)
        .fallback(|| async { "a fallback" })
}

#[tokio::test]
async fn axum_routes_answer_what_the_application_does_not() {
    async fn both() -> Json<&'static str> {
        Json("new")
    }
    let older = axum::Router::new().route("/old", axum::routing::get(|| async { "older" })).route(
        "/older/{id}",
        axum::routing::get(|axum::extract::Path(id): axum::extract::Path<u8>| async move {
            id.to_string()
        }),
    );
    let app = || {
        let app = App::new("Both", "1.0.0").route(get("/both", both));
        app.merge_axum(old()).merge_axum(older.clone()).layer(Extension(()))
    };
    let client = app().client().await;
    for (path, expected) in [("/both", "\"new\""), ("/old", "old"), ("/older/7", "7")] {
        assert_eq!(client.get(path).await.text(), expected, "{path}");
    }
    let missing = client.get("/missing").await;
    assert_eq!((missing.status().as_u16(), missing.text()), (404, r#"{"detail":"Not Found"}"#));
    assert!(!missing.header("x-request-id").is_empty());
    for path in ["/both", "/old", "/older/7"] {
        let refused = client.post(path).await;
        assert_eq!(refused.status(), 405, "{path}");
        assert_eq!(refused.text(), r#"{"detail":"Method Not Allowed"}"#, "{path}");
    }
    let document = app().openapi().unwrap();
    assert_eq!(document["paths"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn an_application_is_a_service_whose_lifespan_ends_when_it_is_told() {
    #[get("/task")]
    async fn task(tasks: BackgroundTasks, count: State<AtomicU8>) {
        tasks.add(async move { _ = count.fetch_add(1, SeqCst) });
    }
    let count = Arc::new(AtomicU8::new(0));
    let at_end = count.clone();
    let app = App::new("Inner", "1.0.0").shared_state(count.clone()).routes(routes![task]);
    let app = app.lifespan(|startup| async move {
        Ok(startup.on_shutdown(async move { _ = at_end.fetch_add(10, SeqCst) }))
    });
    let (service, ending) = app.into_service(Shutdown::new()).await.unwrap();
    let outer = axum::Router::new()
        .route("/outer", axum::routing::get(|| async { "outer" }))
        .nest_service("/inner", service);

    let ask = |path: &'static str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let mut outer = outer.clone();
        async move {
            let response: Response<Body> = outer.call(request).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts.status.as_u16(), body.collect().await.unwrap().to_bytes())
        }
    };
    assert_eq!(ask("/outer").await, (200, "outer".into()));
    assert_eq!(ask("/inner/task").await, (204, "".into()));
    assert_eq!(ask("/inner/missing").await.0, 404);
    ending.run().await;
    assert_eq!(count.load(SeqCst), 11);
}

#[tokio::test]
async fn a_server_around_an_application_tells_it_of_tls() {
    let app =
        || App::new("Inner", "1.0.0").route(get("/", async || ())).layer(HttpsRedirect::new());
    for (noted, status) in [(None, 500), (Some(false), 307), (Some(true), 204)] {
        let (service, ending) = app().into_service(Shutdown::new()).await.unwrap();
        let outer = axum::Router::new().fallback_service(service);
        let mut outer = match noted {
            Some(noted) => outer.layer(Extension(IsHttps(noted))),
            None => outer,
        };
        let request = Request::get("https://a.example/").body(Body::empty());
        let response: Response<Body> = outer.call(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{noted:?}");
        ending.run().await;
    }
}

#[tokio::test]
async fn a_service_with_mistakes_does_not_start() {
    async fn lost(_: State<u8>) {}
    let app = App::new("Lost", "1.0.0").route(get("/", lost));
    let error = app.into_service(Shutdown::new()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no such state"), "{error}");
}

//! Middleware that is a function.

use alula::{
    ApiError, Body, Problem,
    http::{Request, Response},
    middleware::{Cors, HttpsRedirect, Next, TrustedHosts, from_fn},
    prelude::*,
};

#[get("/")]
async fn hello(id: RequestId) -> Json<String> {
    Json(id.to_string())
}

/// Notes its name on the way out.
async fn noted(name: &'static str, request: Request<Body>, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    response.headers_mut().append("x-way-out", name.parse().unwrap());
    response
}

#[tokio::test]
async fn the_last_one_added_is_the_outermost() {
    let app = App::new("Fn", "1.0.0").routes(routes![hello]);
    let app = app.layer(from_fn(|request, next| noted("inner", request, next)));
    let app = app.layer(from_fn(|request, next| noted("outer", request, next)));
    let response = app.client().await.get("/").await;
    let way: Vec<_> = response.headers().get_all("x-way-out").iter().collect();
    assert_eq!(way, ["inner", "outer"]);
}

#[tokio::test]
async fn it_may_answer_by_itself_or_with_an_error_of_its_own() {
    struct TooLate;
    impl ApiError for TooLate {
        fn into_http(self) -> HttpError {
            HttpError::too_many_requests("too late", 60)
        }
    }
    async fn hours(request: Request<Body>, next: Next) -> Result<Response<Body>, TooLate> {
        match request.uri().query() {
            Some("late") => Err(TooLate),
            Some("closed") => Ok(Response::new(Body::from("closed"))),
            _ => Ok(next.run(request).await),
        }
    }
    let app = App::new("Fn", "1.0.0").routes(routes![hello]).layer(from_fn(hours));
    let client = app.client().await;
    let late = client.get("/?late").header("x-request-id", "abc").await;
    assert_eq!((late.status().as_u16(), late.header("retry-after")), (429, "60"));
    assert_eq!((late.text(), late.header("x-request-id")), (r#"{"detail":"too late"}"#, "abc"));
    assert_eq!(client.get("/?closed").await.text(), "closed");
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn it_reads_the_request_id_and_may_change_the_request() {
    async fn tagging(mut request: Request<Body>, next: Next) -> Result<Response<Body>> {
        let id = request.extensions().get::<RequestId>().unwrap().to_string();
        request.headers_mut().insert("x-seen", id.parse()?);
        Ok(next.run(request).await)
    }
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Seen {
        x_seen: String,
    }
    async fn seen(Header(seen): Header<Seen>) -> Json<String> {
        Json(seen.x_seen)
    }
    let app = App::new("Fn", "1.0.0").route(get("/", seen).layer(from_fn(tagging)));
    let response = app.client().await.get("/").header("x-request-id", "abc").await;
    assert_eq!(response.json::<String>(), "abc");
}

#[tokio::test]
async fn a_failure_in_it_is_a_500_that_tells_nothing() {
    async fn fails(_: Request<Body>, _: Next) -> Result<Response<Body>> {
        Err(std::io::Error::other("disk on fire"))?
    }
    let app = App::new("Fn", "1.0.0").routes(routes![hello]).layer(from_fn(fails));
    let response = app.client().await.get("/").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.text(), r#"{"detail":"Internal Server Error"}"#);
}

#[tokio::test]
async fn errors_of_middleware_have_the_form_that_errors_have() {
    async fn refuses(_: Request<Body>, _: Next) -> Result<Response<Body>> {
        Err(HttpError::unavailable("closed"))
    }
    let app = || App::new("Fn", "1.0.0").routes(routes![hello]).error_format(Problem::new());
    for app in [
        app().layer(from_fn(refuses)),
        app().layer(TrustedHosts::new(["a.example"])),
        app().layer(Cors::new().origin("https://a.example")),
        app().layer(HttpsRedirect::new()),
    ] {
        let client = app.client().await;
        let request = client.options("/").header("origin", "https://evil.example");
        let response = request.header("access-control-request-method", "GET").await;
        assert!(response.status().is_client_error() || response.status() == 503);
        assert_eq!(response.header("content-type"), "application/problem+json");
    }
}

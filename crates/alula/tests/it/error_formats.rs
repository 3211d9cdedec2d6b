//! Errors in other forms than FastAPI's.

use alula::{
    ErrorContext, ErrorFormat, Event, HttpError, Problem, prelude::*, testing::TestClient,
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

/// The errors of the OpenAI API.
struct OpenAi;

#[derive(Serialize, JsonSchema)]
struct OpenAiError {
    error: OpenAiMessage,
}

#[derive(Serialize, JsonSchema)]
struct OpenAiMessage {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<String>,
    code: Option<String>,
}

impl ErrorFormat for OpenAi {
    type Body = OpenAiError;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> OpenAiError {
        let kind = match error.status().as_u16() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        let first = error.invalid().and_then(|invalid| invalid.details().first());
        let param = first.map(|detail| {
            let loc = serde_json::to_value(&detail.loc[1..]).unwrap();
            let steps = loc.as_array().unwrap().iter().map(|step| match step {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            steps.collect::<Vec<_>>().join(".")
        });
        let code = error.error_code().map(str::to_owned);
        let message = first.map_or_else(|| error.message(), |detail| detail.msg.clone());
        OpenAiError { error: OpenAiMessage { message, kind, param, code } }
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Chat {
    #[schemars(length(min = 1))]
    messages: Vec<String>,
    #[serde(default)]
    n: Option<u8>,
}

#[post("/chat", max_body = 100)]
async fn chat(_token: Bearer, Json(chat): Json<Chat>) -> Result<Json<usize>> {
    match chat.messages.len() {
        7 => Err(HttpError::too_many_requests("Slow down", 20).code("rate_limit_exceeded")),
        8 => panic!("eight"),
        9 => Err(HttpError::new(418, json!({"tea": "green"}))),
        len => Ok(Json(len)),
    }
}

#[get("/stream")]
async fn failing() -> Sse<impl Stream<Item = Event<u8>>> {
    let items = [Ok(Event::new(1)), Err(HttpError::unavailable("overloaded").code("overloaded"))];
    Sse::fallible(stream::iter(items))
}

#[get("/lines")]
async fn panicking() -> JsonLines<impl Stream<Item = u8>> {
    JsonLines::new(stream::iter(1..).map(|item| if item < 3 { item } else { panic!("three") }))
}

async fn client() -> TestClient {
    app().client().await
}

fn app() -> App {
    let openai = Router::new().prefix("/v1").error_format(OpenAi);
    let openai = openai.routes(routes![chat, failing, panicking]);
    let problems = Router::new().prefix("/api").error_format(Problem::new().types("/errors/"));
    App::new("Formats", "1.0.0")
        .include(openai)
        .include(problems.routes(routes![chat, failing, panicking]))
        .routes(routes![chat])
}

async fn send(client: &TestClient, path: &str, body: &Value) -> (u16, Value) {
    let response = client.post(path).header("x-request-id", "r1").bearer("t").json(body).await;
    assert_eq!(response.header("x-request-id"), "r1");
    (response.status().as_u16(), response.json())
}

#[tokio::test]
async fn an_endpoints_errors_have_the_form_of_its_router() {
    let client = client().await;
    let seven = json!({"messages": ["a", "a", "a", "a", "a", "a", "a"]});
    let error = json!({"message": "Slow down", "type": "rate_limit_error", "param": null,
        "code": "rate_limit_exceeded"});
    assert_eq!(send(&client, "/v1/chat", &seven).await, (429, json!({"error": error})));
    let problem = json!({"type": "/errors/rate_limit_exceeded", "title": "Too Many Requests",
        "status": 429, "detail": "Slow down", "instance": "/api/chat",
        "code": "rate_limit_exceeded", "request_id": "r1"});
    assert_eq!(send(&client, "/api/chat", &seven).await, (429, problem));
    let plain = json!({"detail": "Slow down", "code": "rate_limit_exceeded"});
    assert_eq!(send(&client, "/chat", &seven).await, (429, plain));

    let response = client.post("/v1/chat").bearer("t").json(&seven).await;
    assert_eq!(response.header("retry-after"), "20");
    assert_eq!(response.header("content-type"), "application/json");
    let nine = json!({"messages": ["a", "a", "a", "a", "a", "a", "a", "a", "a"]});
    let (_, body) = send(&client, "/api/chat", &nine).await;
    assert_eq!((&body["details"], body.get("detail")), (&json!({"tea": "green"}), None));
    let (_, body) = send(&client, "/v1/chat", &nine).await;
    assert_eq!(body["error"]["message"], r#"{"tea":"green"}"#);
}

#[tokio::test]
async fn the_frameworks_own_errors_have_it_too() {
    let client = client().await;
    let kind = |response: &alula::testing::TestResponse| {
        let body: Value = response.json();
        (response.status().as_u16(), body["error"]["type"].as_str().map(str::to_owned))
    };
    let expect = |status, kind: &str| (status, Some(kind.to_owned()));
    let invalid = "invalid_request_error";
    assert_eq!(kind(&client.post("/v1/chat").await), expect(401, "authentication_error"));
    assert_eq!(kind(&client.get("/v1/nowhere").await), expect(404, invalid));
    assert_eq!(kind(&client.get("/v1").await), expect(404, invalid));
    let wrong_method = client.get("/v1/chat").await;
    assert_eq!(kind(&wrong_method), expect(405, invalid));
    assert_eq!(wrong_method.header("allow"), "POST");
    let post = |kind, body: String| client.post("/v1/chat").bearer("t").body(kind, body);
    assert_eq!(kind(&post("text/plain", "{}".to_owned()).await), expect(415, invalid));
    assert_eq!(kind(&post("application/json", "x".repeat(101)).await), expect(413, invalid));
    let eight = r#"{"messages":["a","a","a","a","a","a","a","a"]}"#;
    assert_eq!(
        kind(&post("application/json", eight.to_owned()).await),
        expect(500, "server_error")
    );
    // Elsewhere nothing changes.
    assert_eq!(client.get("/v10").await.text(), r#"{"detail":"Not Found"}"#);
    assert_eq!(client.get("/chat").await.text(), r#"{"detail":"Method Not Allowed"}"#);
    let problem = client.get("/api/nowhere").await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_request_that_is_not_valid_is_told_in_the_form() {
    let client = client().await;
    let body = json!({"messages": [1], "n": 300});
    let (status, body_of_openai) = send(&client, "/v1/chat", &body).await;
    let error = json!({"message": "Input should be a valid string", "type": "invalid_request_error",
        "param": "messages.0", "code": null});
    assert_eq!((status, body_of_openai), (422, json!({"error": error})));
    let (status, problem) = send(&client, "/api/chat", &body).await;
    assert_eq!((status, &problem["detail"]), (422, &json!("The request is not valid")));
    assert_eq!(
        problem["errors"],
        json!([
            {"detail": "Input should be a valid string", "pointer": "#/messages/0", "in": "body",
                "type": "string_type"},
            {"detail": "Input should be less than or equal to 255", "pointer": "#/n", "in": "body",
                "type": "less_than_equal"},
        ])
    );
}

#[tokio::test]
async fn a_stream_that_fails_ends_in_the_form() {
    let client = client().await;
    let response = client.get("/v1/stream").await;
    let error = r#"{"error":{"message":"overloaded","type":"server_error","param":null,"code":"overloaded"}}"#;
    assert_eq!(response.text(), format!("data: 1\n\nevent: error\ndata: {error}\n\n"));
    let response = client.get("/api/stream").header("x-request-id", "r1").await;
    let problem: Value = response.events()[1].json();
    assert_eq!((&problem["status"], &problem["request_id"]), (&json!(503), &json!("r1")));
    assert_eq!(problem["instance"], "/api/stream");
    // A panic ends a stream as an error does.
    let response = client.get("/v1/lines").await;
    let error = r#"{"error":{"message":"Internal Server Error","type":"server_error","param":null,"code":null}}"#;
    assert_eq!(response.text(), format!("1\n2\n{error}\n"));
}

#[tokio::test]
async fn a_route_has_the_last_word_and_its_path_too() {
    async fn fail() -> Result<()> {
        Err(HttpError::conflict("no"))
    }
    let route = post("/a/{id}", fail).error_format(OpenAi);
    let app = App::new("Formats", "1.0.0").error_format(Problem::new()).route(route);
    // A router without a prefix has no paths but those of its routes.
    let router = Router::new().error_format(OpenAi).route(post("/b", fail));
    let client = app.include(router).client().await;
    for path in ["/a/1", "/b"] {
        let body: Value = client.post(path).await.json();
        assert_eq!(body["error"]["message"], "no");
        let body: Value = client.get(path).await.json();
        assert_eq!(body["error"]["message"], "Method Not Allowed");
    }
    for path in ["/a", "/a/1/b", "/c"] {
        assert_eq!(client.get(path).await.json::<Value>()["status"], 404, "{path}");
    }
}

#[tokio::test]
async fn the_document_shows_the_form() {
    let document = app().openapi().unwrap();
    let schema = |path: &str, status: &str, media: &str| {
        let responses = &document["paths"][path]["post"]["responses"][status];
        responses["content"][media]["schema"]["$ref"].as_str().unwrap_or_default().to_owned()
    };
    for status in ["401", "422", "default"] {
        let openai = schema("/v1/chat", status, "application/json");
        assert_eq!(openai, "#/components/schemas/OpenAiError", "{status}");
        let problem = schema("/api/chat", status, "application/problem+json");
        assert_eq!(problem, "#/components/schemas/Problem", "{status}");
    }
    let plain = schema("/chat", "422", "application/json");
    assert_eq!(plain, "#/components/schemas/HTTPValidationError");

    let only = App::new("Formats", "1.0.0").error_format(OpenAi).routes(routes![chat]);
    let document = only.openapi().unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(!schemas.contains_key("HTTPError") && !schemas.contains_key("ValidationError"));
}

#[tokio::test]
async fn a_middleware_that_panics_is_answered_in_the_form() {
    #[derive(Clone)]
    struct Panics;

    impl<S> tower_layer::Layer<S> for Panics {
        type Service = PanicsAround<S>;

        fn layer(&self, inner: S) -> PanicsAround<S> {
            PanicsAround { inner }
        }
    }

    #[derive(Clone)]
    struct PanicsAround<S> {
        inner: S,
    }

    impl<S, R> tower_service::Service<R> for PanicsAround<S>
    where
        S: tower_service::Service<R>,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(
            &mut self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), S::Error>> {
            self.inner.poll_ready(cx)
        }

        fn call(&mut self, _: R) -> S::Future {
            panic!("in a middleware")
        }
    }

    let router = Router::new().prefix("/v1").error_format(OpenAi).routes(routes![chat]);
    let app = App::new("Formats", "1.0.0").include(router.layer(Panics));
    let response = app.client().await.post("/v1/chat").header("x-request-id", "r1").await;
    assert_eq!((response.status().as_u16(), response.header("x-request-id")), (500, "r1"));
    assert_eq!(response.json::<Value>()["error"]["type"], "server_error");
}

#[tokio::test]
async fn a_middleware_answers_in_the_form_of_the_path() {
    use alula::middleware::{ConcurrencyLimit, Next, TrustedHosts, from_fn};

    async fn closed(
        request: http::Request<alula::Body>,
        next: Next,
    ) -> Result<http::Response<alula::Body>> {
        match request.headers().contains_key("x-night") {
            true => Err(HttpError::unavailable("closed at night").code("closed")),
            false => Ok(next.run(request).await),
        }
    }
    let limit = ConcurrencyLimit::new(1).queue(0);
    let openai = Router::new().prefix("/v1").error_format(OpenAi).routes(routes![waiting]);
    let app = App::new("Formats", "1.0.0")
        .include(openai.layer(limit))
        .layer(from_fn(closed))
        .layer(TrustedHosts::new(["localhost"]));
    let client = app.client().await;
    let message = |response: alula::testing::TestResponse| {
        let body: Value = response.json();
        (response.status().as_u16(), body["error"]["message"].as_str().unwrap_or("").to_owned())
    };
    let refused = client.get("/v1/waiting").header("host", "elsewhere").await;
    assert_eq!(message(refused), (400, "Invalid host header".to_owned()));
    let night = client.get("/v1/waiting").header("host", "localhost").header("x-night", "1");
    assert_eq!(message(night.await), (503, "closed at night".to_owned()));
    let held = client.get("/v1/waiting").header("host", "localhost").stream().await;
    let second = client.get("/v1/waiting").header("host", "localhost").await;
    let busy = "The server has too many requests at the moment";
    assert_eq!(message(second), (503, busy.to_owned()));
    drop(held);
    let elsewhere = client.get("/nowhere").header("host", "elsewhere").await;
    assert_eq!(elsewhere.text(), r#"{"detail":"Invalid host header"}"#);
}

#[tokio::test]
async fn a_path_that_is_written_out_has_its_own_form() {
    let app = App::new("Formats", "1.0.0")
        .route(get("/items/{id}", async || ()).error_format(OpenAi))
        .route(get("/items/me", async || ()).error_format(Problem::new()));
    let client = app.client().await;
    let refused = async |path| client.post(path).await.json::<Value>();
    assert_eq!(refused("/items/me").await["title"], "Method Not Allowed");
    assert_eq!(refused("/items/7").await["error"]["message"], "Method Not Allowed");
}

/// Begins an answer that does not end.
#[get("/waiting")]
async fn waiting() -> ByteStream<impl Stream<Item = Bytes>> {
    ByteStream::new(stream::pending::<Bytes>())
}

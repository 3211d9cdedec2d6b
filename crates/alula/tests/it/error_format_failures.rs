//! Forms of errors, handlers and errors that fail themselves.

use std::fmt;

use alula::{
    ApiError, Body, ErrorContext, ErrorFormat, Event, HttpError, Panic,
    http::{HeaderName, HeaderValue, Request, Response},
    middleware::{Next, from_fn},
    prelude::*,
    testing::TestClient,
};
use futures_util::{StreamExt as _, stream};
use serde::Serializer;

use crate::error_log::Log;

const PLAIN: &str = r#"{"detail":"Internal Server Error"}"#;

/// A form that fails for some errors.
struct Fragile;

/// The body of an error, by its detail.
#[derive(JsonSchema)]
struct FragileBody(String);

impl Serialize for FragileBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            "unserializable" => Err(serde::ser::Error::custom("not today")),
            "panics late" => panic!("while it is written"),
            text => serializer.serialize_str(text),
        }
    }
}

impl ErrorFormat for Fragile {
    type Body = FragileBody;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> FragileBody {
        let message = error.message();
        assert!(message != "panics" && message != "Not Found", "no body for this");
        FragileBody(message)
    }
}

/// A form whose media type no header can hold.
struct Strange;

impl ErrorFormat for Strange {
    type Body = String;

    const MEDIA_TYPE: &'static str = "text/plain\r\nx-forged: 1";

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> String {
        error.message()
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Word {
    word: String,
}

#[get("/fail")]
async fn fail(Query(query): Query<Word>) -> Result<()> {
    Err(HttpError::conflict(query.word)
        .header(HeaderName::from_static("x-hint"), HeaderValue::from_static("1")))
}

#[get("/stream")]
async fn failing(Query(query): Query<Word>) -> Sse<impl Stream<Item = Event<u8>>> {
    let error = Event::error(&HttpError::conflict(query.word));
    Sse::new(stream::iter([Event::new(1), error]))
}

/// An error, and an item, without words.
#[derive(Debug, JsonSchema)]
struct Mute;

impl fmt::Display for Mute {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("has no words")
    }
}

impl std::error::Error for Mute {}

impl Serialize for Mute {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("has no words")
    }
}

fn app() -> App {
    App::new("Fragile", "1.0.0").routes(routes![fail, failing])
}

async fn fragile() -> TestClient {
    app().error_format(Fragile).client().await
}

/// The status, the content type and the text of an answer.
async fn answer(client: &TestClient, path: &str) -> (u16, String, String) {
    let response = client.get(path).header("x-request-id", "r1").await;
    assert_eq!(response.header("x-request-id"), "r1");
    let media_type = response.header("content-type").to_owned();
    (response.status().as_u16(), media_type, response.text().to_owned())
}

fn plain() -> (u16, String, String) {
    (500, "application/json".to_owned(), PLAIN.to_owned())
}

#[tokio::test]
async fn a_form_that_fails_is_a_plain_500_and_is_logged() {
    let log = Log::default();
    let _logging = log.start();
    let client = fragile().await;
    for word in ["panics", "panics%20late", "unserializable"] {
        assert_eq!(answer(&client, &format!("/fail?word={word}")).await, plain(), "{word}");
    }
    // The framework's own errors are no exception.
    assert_eq!(answer(&client, "/nowhere").await, plain());
    let strange = app().error_format(Strange).client().await;
    assert_eq!(answer(&strange, "/fail?word=x").await, plain());
    // What does not fail is answered as ever.
    let fine = (409, "application/json".to_owned(), "\"fine\"".to_owned());
    assert_eq!(answer(&client, "/fail?word=fine").await, fine);
    let lines = log.lines();
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("the form of errors")).collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    for (line, text) in lines.iter().zip([
        "no body for this",
        "while it is written",
        "not today",
        "no body",
        "header",
    ]) {
        assert!(line.contains("ERROR") && line.contains("r1") && line.contains(text), "{line}");
    }
}

#[tokio::test]
async fn a_form_that_fails_at_the_end_of_a_stream_does_not_break_it_off() {
    let client = fragile().await;
    for word in ["panics", "unserializable"] {
        let response = client.get(&format!("/stream?word={word}")).await;
        let text = format!("data: 1\n\nevent: error\ndata: {PLAIN}\n\n");
        assert_eq!(response.text(), text, "{word}");
    }
}

#[tokio::test]
async fn a_form_that_fails_for_an_example_stops_the_start() {
    #[derive(Debug, ApiError)]
    enum Failure {
        #[api(status = 409, detail = "panics")]
        Panics,
    }
    async fn endpoint() -> Result<Json<u8>, Failure> {
        Err(Failure::Panics)
    }
    let app = App::new("Fragile", "1.0.0").error_format(Fragile).route(get("/", endpoint));
    let error = app.openapi().unwrap_err().to_string();
    assert!(error.contains("GET /") && error.contains("no body for this"), "{error}");
}

#[tokio::test]
async fn handlers_that_panic_around_a_form_that_does_are_a_plain_500() {
    let client = app()
        .error_format(Fragile)
        .on_status(409, |_: &HttpError, _| -> HttpError { panic!("in a handler") })
        .on_error(|_: &Panic, _| HttpError::conflict("panics"))
        .routes(routes![panics])
        .layer(from_fn(around))
        .client()
        .await;
    let (status, ..) = answer(&client, "/fail?word=x").await;
    assert_eq!(status, 500);
    for path in ["/panic", "/middleware"] {
        assert_eq!(answer(&client, path).await, plain(), "{path}");
    }
}

#[get("/panic")]
async fn panics() -> Json<u8> {
    panic!("in an endpoint")
}

async fn around(request: Request<Body>, next: Next) -> Response<Body> {
    assert_ne!(request.uri().path(), "/middleware", "in a middleware");
    next.run(request).await
}

#[tokio::test]
async fn an_error_without_words_is_an_error_like_any_other() {
    async fn endpoint() -> Result<Json<u8>> {
        Err(Mute.into())
    }
    async fn items() -> Sse<impl Stream<Item = Mute>> {
        Sse::new(stream::iter([Mute]).chain(stream::pending()))
    }
    let log = Log::default();
    let _logging = log.start();
    let app = App::new("Mute", "1.0.0").route(get("/", endpoint)).route(get("/items", items));
    let client = app.client().await;
    assert_eq!(answer(&client, "/").await, plain());
    let text = client.get("/items").await.text().to_owned();
    assert_eq!(text, format!("event: error\ndata: {PLAIN}\n\n"));
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("has no words")).count(), 2, "{lines:#?}");
}

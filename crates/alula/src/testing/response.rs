//! What came back.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::TestClient;

/// A complete response.
///
/// # Panics
///
/// Its methods panic where a test would want to fail: on a body that is not what was asked for.
#[derive(Debug, Clone)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl TestResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first value of a header as text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap_or_else(|error| panic!("the body is no text: {error}"))
    }

    /// The body as JSON.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as server-sent events; comments are left out.
    pub fn events(&self) -> Vec<TestEvent> {
        self.text().split_terminator("\n\n").filter_map(TestEvent::parse).collect()
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestEvent {
    /// The name, if it has one.
    pub event: Option<String>,
    /// The data, its lines joined.
    pub data: String,
    /// The id, if it has one.
    pub id: Option<String>,
}

impl TestEvent {
    /// The data as JSON.
    ///
    /// # Panics
    ///
    /// If the data is not the JSON of a `T`.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.data)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.data))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut event = Self::default();
        let mut data = Vec::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            match name {
                "event" => event.event = Some(value.to_owned()),
                "id" => event.id = Some(value.to_owned()),
                "data" => data.push(value),
                _ => {}
            }
        }
        event.data = data.join("\n");
        (!data.is_empty()).then_some(event)
    }
}

/// A response that is read piece by piece.
#[derive(Debug)]
pub struct TestStream<'a> {
    client: &'a TestClient,
    pub(super) response: Response<Body>,
}

impl<'a> TestStream<'a> {
    pub(super) fn new(client: &'a TestClient, response: Response<Body>) -> Self {
        Self { client, response }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body, or nothing at its end.
    ///
    /// # Panics
    ///
    /// If the body breaks off.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.response.body_mut().frame().await?;
            let frame = frame.unwrap_or_else(|error| panic!("the body broke off: {error}"));
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// Reads the rest, and waits for the tasks and exits of the request.
    pub async fn collect(mut self) -> TestResponse {
        let mut body = Vec::new();
        while let Some(data) = self.next().await {
            body.extend_from_slice(&data);
        }
        let (parts, rest) = self.response.into_parts();
        drop(rest);
        self.client.settle().await;
        TestResponse { status: parts.status, headers: parts.headers, body: body.into() }
    }
}

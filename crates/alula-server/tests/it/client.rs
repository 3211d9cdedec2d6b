//! A client of `alula`.

use std::sync::Once;

use reqwest::{Client, RequestBuilder, Response, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    process::{Alula, PATIENCE},
    upstream::{Call, STREAM_HEAD, Upstream, token},
};

/// A client that gives up after [`PATIENCE`] without anything new.
pub(crate) fn http() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let installed = rustls::crypto::ring::default_provider().install_default();
        assert!(installed.is_ok(), "only this installs one");
    });
    let builder = Client::builder().no_proxy().tls_certs_only([]);
    builder.read_timeout(PATIENCE).build().unwrap()
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a whole answer") }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// What an error says.
    #[track_caller]
    pub(crate) fn detail(&self, status: u16) -> String {
        let body = self.is(status);
        body["detail"].as_str().unwrap_or_else(|| panic!("no detail in {body}")).to_owned()
    }

    /// The events of a stream, all of them whole.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Event> {
        assert_eq!(self.status, 200, "{self:?}");
        let (events, rest) = parse(&self.text);
        assert_eq!(rest, "", "the stream ends within an event");
        events
    }
}

impl Alula {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(http().get(self.url(path))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(http().delete(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(http().post(self.url(path)).json(body)).await
    }

    /// Posts text that says that it is JSON.
    pub(crate) async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = http().post(self.url(path)).header("content-type", "application/json");
        Answer::of(request.body(body.into())).await
    }

    /// Begins to read a stream.
    pub(crate) async fn stream(&self, body: &Value) -> Stream {
        Stream::of(http().post(self.url("/chat/stream")).json(body)).await
    }

    /// Follows the events of a job, perhaps from one on that has been seen.
    pub(crate) async fn follow(&self, url: &str, last_event_id: Option<&str>) -> Stream {
        let request = http().get(self.url(&format!("{url}/events")));
        Stream::of(match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        })
        .await
    }

    /// Asks for an answer later.
    pub(crate) async fn later(&self, path: &str, body: &Value, prefer: &str) -> Answer {
        Answer::of(http().post(self.url(path)).header("prefer", prefer).json(body)).await
    }

    /// A job that is accepted: where it is.
    pub(crate) async fn accepted(&self, path: &str, body: &Value) -> String {
        let answer = self.later(path, body, "respond-async").await;
        answer.is(202)["url"].as_str().unwrap().to_owned()
    }

    /// A job, once it has ended.
    pub(crate) async fn job_ended(&self, url: &str) -> Value {
        self.follow(url, None).await.rest().await;
        self.get(url).await.is(200)
    }

    /// A stream of which the provider has sent the token `first`, and may go on with.
    pub(crate) async fn begun_stream(&self, upstream: &Upstream) -> (Call, Stream) {
        let answering = async {
            let mut call = upstream.call().await;
            call.send(&format!("{STREAM_HEAD}{}", token("first"))).await;
            call
        };
        let question = json!({"message": "Hi"});
        tokio::join!(answering, self.stream(&question))
    }
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

impl Event {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A stream that is being read. Dropping it closes the connection.
pub(crate) struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        Self { response, text: String::new() }
    }

    /// The next event, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let (events, rest) = parse(&self.text);
            if let Some(first) = events.into_iter().next() {
                let end = self.text.find("\n\n").unwrap() + 2;
                self.text.drain(..end);
                return Some(first);
            }
            let rest = rest.to_owned();
            match self.response.chunk().await.expect("more of the stream") {
                Some(chunk) => self.text = rest + str::from_utf8(&chunk).unwrap(),
                None => return None,
            }
        }
    }

    /// All events to the end.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The whole events of a text, and what is behind the last of them.
fn parse(text: &str) -> (Vec<Event>, &str) {
    let (whole, rest) = text.rfind("\n\n").map_or(("", text), |end| text.split_at(end + 2));
    let field = |event: &str, name: &str| -> String {
        let lines = event.lines().filter_map(|line| line.strip_prefix(name));
        lines.collect::<Vec<_>>().join("\n")
    };
    let events = whole.split_terminator("\n\n").map(|event| Event {
        name: field(event, "event: "),
        id: field(event, "id: "),
        data: field(event, "data: "),
    });
    (events.collect(), rest)
}

/// The tokens of a stream joined, and its summary. It must have ended well.
#[track_caller]
pub(crate) fn joined(events: &[Event]) -> (String, Value) {
    let [tokens @ .., summary, done] = events else { panic!("too few events: {events:?}") };
    assert_eq!(done.data, "[DONE]", "{events:?}");
    let text = tokens.iter().filter_map(|event| event.json()["token"].as_str().map(str::to_owned));
    (text.collect(), summary.json())
}

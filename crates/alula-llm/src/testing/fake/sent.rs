use std::fmt;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Request};
use serde_json::Value;

use crate::testing::diff;

/// Headers whose values are keys, or may hold some.
const SECRETS: [&str; 5] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization"];

/// A request as a fake got it.
///
/// Its `Debug` form shows no key; [`header`](Self::header) does.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::FakeProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let fake = FakeProvider::start().await;
/// fake.turn().says("Hello");
/// let llm = Llm::builder().provider(fake.anthropic()).build()?;
/// llm.chat(ChatRequest::new("claude-x").user("Hi")).await?;
///
/// assert_eq!(fake[0].path(), "/v1/messages");
/// assert_eq!(fake[0].header("anthropic-version"), Some("2023-06-01"));
/// assert_eq!(fake[0].body()["messages"][0]["content"], "Hi");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sent {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    bytes: Bytes,
    body: Value,
}

impl Sent {
    pub(super) fn of(request: Request<Bytes>) -> Self {
        let (head, bytes) = request.into_parts();
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
        }
    }

    /// The method, such as `POST`.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The path, without what is asked for after `?`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands after `?` in the address.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body; `null` if it is not JSON.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, value)| {
            let secret = SECRETS.contains(&name.as_str());
            (
                name.as_str(),
                if secret { "***".into() } else { String::from_utf8_lossy(value.as_bytes()) },
            )
        });
        let headers: Vec<_> = headers.collect();
        f.debug_struct("Sent")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Compares the body of a request with JSON that it must hold.
///
/// Objects may hold more fields than are named; lists are compared in full; a field that is to be
/// `null` may be absent. It panics with the places that differ.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::{FakeProvider, assert_sent}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let fake = FakeProvider::start().await;
/// fake.turn().says("Hello");
/// let llm = Llm::builder().provider(fake.openai()).build()?;
/// llm.chat(ChatRequest::new("gpt-4o").user("Hi")).await?;
///
/// assert_sent!(fake[0], {
///     "messages": [{"role": "user", "content": "Hi"}],
///     "stream": null,
/// });
/// # Ok(())
/// # }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_sent {
    ($sent:expr, $($body:tt)+) => {
        $crate::testing::__check_sent(&$sent, &$crate::testing::__json!($($body)+))
    };
}

#[doc(hidden)]
#[track_caller]
#[expect(clippy::panic, reason = "this fails a test")]
pub fn __check_sent(sent: &Sent, expected: &Value) {
    let found = diff::missing(expected, &sent.body, usize::MAX);
    if !found.is_empty() {
        panic!(
            "{sent} was sent something else:{}\nthe body is {:#}",
            diff::listed(&found),
            sent.body
        );
    }
}

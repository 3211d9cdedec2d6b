//! Headers that go along with each call to a provider, whatever is asked.

use std::{fmt, sync::Arc};

use reqwest::header::HeaderMap;

use super::Llm;
use crate::relay;

tokio::task_local! {
    /// Those of the attempt that is being made.
    static HEADERS: HeaderMap;
}

impl Llm {
    /// The same, sending headers along with its calls, whatever is asked of which provider.
    ///
    /// They are asked for before each attempt and within its span, so that one of a trace names the
    /// attempt. A header that a provider sets itself, or that comes with a
    /// [`RelayRequest`](crate::RelayRequest), stays as it is. Answers from the cache ask for none.
    ///
    /// ```
    /// use alula_llm::{ChatRequest, Llm, testing::FakeProvider};
    /// use reqwest::header::{HeaderMap, HeaderValue};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> alula_llm::Result<()> {
    /// let fake = FakeProvider::start().await;
    /// fake.turn().says("A feather.");
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-client-request-id", HeaderValue::from_static("7"));
    /// let llm = Llm::builder().provider(fake.openai()).build()?;
    /// let llm = llm.with_headers(move || headers.clone());
    /// llm.chat(ChatRequest::new("m").user("What is an alula?")).await?;
    /// assert_eq!(fake.requests().next().unwrap().header("x-client-request-id"), Some("7"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_headers(&self, headers: impl Fn() -> HeaderMap + Send + Sync + 'static) -> Self {
        Self { along: Some(Along::new(headers)), ..self.clone() }
    }
}

/// Where the headers of each attempt come from.
#[derive(Clone)]
pub(crate) struct Along(Arc<dyn Fn() -> HeaderMap + Send + Sync>);

impl Along {
    pub(crate) fn new(headers: impl Fn() -> HeaderMap + Send + Sync + 'static) -> Self {
        Self(Arc::new(headers))
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        (self.0)()
    }
}

impl fmt::Debug for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Along")
    }
}

/// Sends these headers along with whatever is [posted](add_to) meanwhile.
pub(crate) async fn sending<T>(headers: HeaderMap, call: impl Future<Output = T>) -> T {
    HEADERS.scope(headers, call).await
}

/// Adds what goes along with the call that is being made. A provider's own headers win.
pub(crate) fn add_to(headers: &mut HeaderMap) {
    // Outside of a call nothing goes along.
    let _ = HEADERS.try_with(|along| relay::headers::add(headers, along));
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in of {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[tokio::test]
    async fn a_providers_own_headers_win() {
        let along = headers(&[("authorization", "a"), ("tracestate", "b"), ("tracestate", "c")]);
        let mut sent = headers(&[("authorization", "its own")]);
        let before = sent.clone();
        add_to(&mut sent);
        assert_eq!(sent, before, "outside of a call");
        sending(along, async { add_to(&mut sent) }).await;
        let expected =
            headers(&[("authorization", "its own"), ("tracestate", "b"), ("tracestate", "c")]);
        assert_eq!(sent, expected);
    }
}

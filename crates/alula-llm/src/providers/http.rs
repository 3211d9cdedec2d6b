use std::{
    fmt, mem,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, ClientBuilder, Proxy, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{Proxies, failure::Failure};
use crate::{Error, ErrorKind, Phase, Result, llm::along, secret::Secrets};

/// Error bodies are read up to this size, and no longer than this for each piece.
const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// A pool of connections to providers; clones share it.
///
/// TLS is rustls on ring with the platform's certificates. No proxy is used but those that
/// [`with_proxies`](Self::with_proxies) names, whatever `HTTP_PROXY` and the like say. Redirects
/// are not followed: a provider never sends one, and following would carry the key elsewhere.
///
/// ```
/// use alula_llm::{Anthropic, Http, HttpLimits, Llm, OpenAi, Proxies};
///
/// # fn main() -> alula_llm::Result<()> {
/// // Only these two go through the proxy.
/// let proxies = Proxies::default().all("http://proxy.example:3128");
/// let http = Http::with_proxies(HttpLimits::default(), &proxies)?;
/// let llm = Llm::builder()
///     .provider(OpenAi::new("sk-…").http(http.clone()))
///     .provider(Anthropic::new("sk-ant-…").http(http))
///     .provider(OpenAi::ollama())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    limits: HttpLimits,
    proxies: Vec<Proxy>,
    /// Made once: reading the certificates takes a while.
    client: OnceLock<Client>,
    /// The server that all calls go to, whatever their address.
    #[cfg(feature = "testing")]
    stand_in: Option<Url>,
}

/// What the connections to providers are held to.
///
/// ```
/// use alula_llm::{Http, HttpLimits};
///
/// let limits = HttpLimits::default().response_bytes_max(1 << 20);
/// let http = Http::new(limits);
/// assert_eq!(http.limits().event_bytes_max, 8 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// The longest time to open a connection. 5 s.
    pub connect_timeout: Duration,
    /// The largest answer that is not a stream, in bytes. 32 MiB.
    pub response_bytes_max: usize,
    /// The largest event of a stream, in bytes. 8 MiB: a picture fits in.
    pub event_bytes_max: usize,
    /// The largest streamed answer, in bytes on the wire. 256 MiB: a few megabytes of text, each
    /// token in an event of its own, or a handful of pictures.
    pub stream_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_bytes_max: 32 << 20,
            event_bytes_max: 8 << 20,
            stream_bytes_max: 256 << 20,
        }
    }
}

impl HttpLimits {
    /// Sets the longest time to open a connection.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets the largest answer that is not a stream, in bytes.
    #[must_use]
    pub fn response_bytes_max(mut self, response_bytes_max: usize) -> Self {
        self.response_bytes_max = response_bytes_max;
        self
    }

    /// Sets the largest event of a stream, in bytes.
    #[must_use]
    pub fn event_bytes_max(mut self, event_bytes_max: usize) -> Self {
        self.event_bytes_max = event_bytes_max;
        self
    }

    /// Sets the largest streamed answer, in bytes on the wire.
    #[must_use]
    pub fn stream_bytes_max(mut self, stream_bytes_max: usize) -> Self {
        self.stream_bytes_max = stream_bytes_max;
        self
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new(HttpLimits::default())
    }
}

impl Http {
    /// A pool of its own.
    pub fn new(limits: HttpLimits) -> Self {
        Self::of(limits, Vec::new())
    }

    /// A pool of its own that connects through proxies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the URL of one does not begin with `http://` or `https://`.
    pub fn with_proxies(limits: HttpLimits, proxies: &Proxies) -> Result<Self> {
        Ok(Self::of(limits, proxies.to_reqwest()?))
    }

    fn of(limits: HttpLimits, proxies: Vec<Proxy>) -> Self {
        Self {
            inner: Arc::new(Inner {
                limits,
                proxies,
                client: OnceLock::new(),
                #[cfg(feature = "testing")]
                stand_in: None,
            }),
        }
    }

    /// A pool whose calls all go to the server at `url`, with the path that they would have had.
    #[cfg(feature = "testing")]
    pub(crate) fn to_stand_in(url: Url) -> Self {
        let inner = Inner {
            limits: HttpLimits::default(),
            proxies: Vec::new(),
            client: OnceLock::new(),
            stand_in: Some(url),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &HttpLimits {
        &self.inner.limits
    }

    /// Makes the client now rather than at the first call, which would wait for it.
    pub(crate) fn warm(&self) -> Result<()> {
        self.client().map(drop)
    }

    /// Posts JSON and returns as soon as the headers of the answer are there.
    pub(crate) async fn post(
        &self,
        url: Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response> {
        along::add_to(&mut headers);
        // A builder takes the user and the password out of the address, which is logged.
        let (client, request) = self.client()?.post(self.routed(url)).body(body).build_split();
        let mut request = request.map_err(transport_error)?;
        let of_address = mem::replace(request.headers_mut(), headers);
        if let Some(password) = of_address.get(AUTHORIZATION) {
            let given = request.headers_mut().entry(AUTHORIZATION);
            given.or_insert_with(|| password.clone());
        }
        client.execute(request).await.map_err(|error| self.failed(error))
    }

    /// Gets something with these headers.
    pub(crate) async fn get_with(&self, url: Url, headers: HeaderMap) -> Result<Response> {
        let request = self.client()?.get(self.routed(url)).headers(headers);
        request.send().await.map_err(|error| self.failed(error))
    }

    /// The error of a call that did not come through, with the limit that it ran into.
    fn failed(&self, error: reqwest::Error) -> Error {
        if !(error.is_connect() && error.is_timeout()) {
            return transport_error(error);
        }
        let message = format!("no connection came within {:?}", self.inner.limits.connect_timeout);
        let kind = ErrorKind::Timeout { phase: Phase::Connect };
        Error::new(kind, message).with_source(error.without_url())
    }

    /// Gets a document that is not part of a chat.
    pub(crate) async fn get(&self, url: Url) -> Result<Bytes> {
        let response = self.get_with(url, HeaderMap::new()).await?;
        let response = response.error_for_status().map_err(transport_error)?;
        self.read(response).await
    }

    /// The address that is called in place of this one.
    fn routed(&self, url: Url) -> Url {
        #[cfg(feature = "testing")]
        if let Some(stand_in) = &self.inner.stand_in {
            let mut to = stand_in.clone();
            to.set_path(url.path());
            to.set_query(url.query());
            return to;
        }
        url
    }

    /// The whole body, up to the limit.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Bytes> {
        let limit = self.inner.limits.response_bytes_max;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
            if body.len() + chunk.len() > limit {
                let message = format!("the answer is larger than {limit} bytes");
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The client behind it, made by whoever asks first.
    pub(crate) fn client(&self) -> Result<&Client> {
        if let Some(client) = self.inner.client.get() {
            return Ok(client);
        }
        let client = build_client(&self.inner.limits, &self.inner.proxies)?;
        Ok(self.inner.client.get_or_init(|| client))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

/// TLS by rustls on ring, with the platform's certificates, which are read now.
pub(crate) fn tls_config() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| config_error("TLS cannot be set up", error))?;
    Ok(builder.with_no_client_auth())
}

fn build_client(limits: &HttpLimits, proxies: &[Proxy]) -> Result<Client> {
    let mut tls = tls_config()?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Without this reqwest asks the environment for a proxy.
    let builder = Client::builder().no_proxy();
    proxies
        .iter()
        .cloned()
        .fold(builder, ClientBuilder::proxy)
        .tls_backend_preconfigured(tls)
        .connect_timeout(limits.connect_timeout)
        .redirect(Policy::none())
        .user_agent(concat!("alula-llm/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| config_error("the HTTP client cannot be set up", error))
}

pub(super) fn config_error(
    message: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(ErrorKind::Config, format!("{message}: {error}")).with_source(error)
}

/// The error of a connection; its URL is removed, since it may hold a key.
pub(crate) fn transport_error(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, message) = if error.is_connect() && error.is_timeout() {
        (ErrorKind::Timeout { phase: Phase::Connect }, "no connection in time")
    } else if error.is_connect() {
        (ErrorKind::Connect, "no connection")
    } else {
        (ErrorKind::Unavailable, "the connection broke before the whole answer was there")
    };
    let message = format!("{message}: {}", innermost(&error));
    Error::new(kind, message).with_source(error)
}

/// The message of the last cause, which is the one that explains.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Parses a base URL.
pub(crate) fn base_url(url: &str) -> Result<Url> {
    http_url("the base URL", url)
}

pub(super) fn http_url(what: &str, url: &str) -> Result<Url> {
    let config = |reason: &str| {
        let message = format!("{what} {:?} {reason}", display_url(url));
        Error::new(ErrorKind::Config, message)
    };
    let parsed = Url::parse(url).map_err(|error| config(&format!("is not one: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(config("must begin with http:// or https://"));
    }
    Ok(parsed)
}

/// A URL without what may be secret: user, password and query.
pub(crate) fn display_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// Headers that a user set.
pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| {
            Error::new(ErrorKind::Config, format!("{name:?} cannot be the name of a header"))
        })?;
        map.append(name, secret(value)?);
    }
    Ok(map)
}

/// A header value that is not logged.
pub(super) fn secret(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(ErrorKind::Config, "a key or a header holds characters that HTTP cannot send")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Names the provider in an error and removes the secrets from it.
pub(super) fn label(error: Error, provider: &str, secrets: &Secrets<'_>) -> Error {
    error.with_provider(provider).redacted(|text| secrets.redact(text))
}

/// Passes an answer of success on, in the form that was asked for, and turns others into errors.
pub(super) async fn accept(
    response: Response,
    stream: bool,
    kind: fn(&Failure) -> Option<ErrorKind>,
) -> Result<Response> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_stream = content_type.is_none_or(|value| {
        value.to_str().is_ok_and(|value| value.starts_with("text/event-stream"))
    });
    if status.is_success() && (is_stream || !stream) {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let body = read_excerpt(response).await;
    let failure = Failure::of_answer(status.as_u16(), &headers, &body);
    if status.is_success() && failure.code.is_none() && failure.message.is_none() {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let message = format!(
            "asked for a stream of events, got {}",
            content_type.unwrap_or("something else")
        );
        return Err(Error::new(ErrorKind::Decode, message).with_status(status.as_u16()));
    }
    let known = kind(&failure);
    Err(failure.into_error(known))
}

/// The whole body as JSON.
pub(super) async fn read_json(http: &Http, response: Response) -> Result<Value> {
    let status = response.status().as_u16();
    let body = http.read(response).await?;
    serde_json::from_slice(&body).map_err(|error| not_json(&error, status, &body))
}

/// The error of an answer that is something else.
pub(super) fn not_json(error: &serde_json::Error, status: u16, body: &[u8]) -> Error {
    Error::new(ErrorKind::Decode, format!("the answer is not JSON: {error}"))
        .with_status(status)
        .with_body(&String::from_utf8_lossy(body))
}

/// The beginning of an error body. That it breaks off is no news.
async fn read_excerpt(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < ERROR_BODY_BYTES_MAX
        && let Ok(Ok(Some(chunk))) = timeout(ERROR_BODY_TIMEOUT, response.chunk()).await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(ERROR_BODY_BYTES_MAX);
    body
}

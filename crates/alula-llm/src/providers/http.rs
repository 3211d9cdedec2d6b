mod address;
mod answer;
mod direct;
mod http1;
mod http2;
mod limits;
mod pool;
mod read;
mod tls;

use std::{
    fmt, mem,
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use hyper::Uri;
use reqwest::{
    Client, ClientBuilder, Method, Proxy, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use self::direct::{CallError, Direct};
#[cfg(fuzzing)]
pub(super) use self::http1::script;
pub use self::limits::HttpLimits;
pub(super) use self::read::{accept, not_json, read_json};
#[cfg(feature = "redis")]
pub(crate) use self::tls::tls_config;
use self::tls::tls_of_calls;
pub(crate) use self::{address::Address, answer::Answer};
use super::Proxies;
use crate::{Error, ErrorKind, Phase, Result, llm::along, parts::Parts, secret::Secrets};

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
    direct: OnceLock<Direct>,
    /// The same through the proxies, if there are any.
    client: OnceLock<Client>,
    /// The server that all calls go to, whatever their address.
    #[cfg(feature = "testing")]
    stand_in: Option<Url>,
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
                direct: OnceLock::new(),
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
            direct: OnceLock::new(),
            client: OnceLock::new(),
            stand_in: Some(url),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &HttpLimits {
        &self.inner.limits
    }

    /// Makes the client of such calls now rather than at the first one, which would wait for it.
    pub(crate) fn warm(&self, to: &Address) -> Result<()> {
        match self.own_way(to) {
            Some(_) => self.direct().map(drop),
            None => self.client().map(drop),
        }
    }

    /// The address of calls that take connections of our own.
    fn own_way<'a>(&self, to: &'a Address) -> Option<&'a Uri> {
        to.uri.as_ref().filter(|_| self.inner.proxies.is_empty())
    }

    /// Posts JSON and returns as soon as the headers of the answer are there.
    pub(crate) async fn post(
        &self,
        to: &Address,
        mut headers: HeaderMap,
        body: Parts,
    ) -> Result<Answer> {
        along::add_to(&mut headers);
        self.send(Method::POST, to, headers, body).await
    }

    /// Gets something with these headers.
    pub(crate) async fn get_with(&self, url: Url, headers: HeaderMap) -> Result<Answer> {
        self.send(Method::GET, &Address::new(url), headers, Parts::default()).await
    }

    async fn send(
        &self,
        method: Method,
        to: &Address,
        headers: HeaderMap,
        body: Parts,
    ) -> Result<Answer> {
        #[cfg(feature = "testing")]
        let routed = self.routed(to);
        #[cfg(feature = "testing")]
        let to = routed.as_ref().unwrap_or(to);
        match self.own_way(to) {
            Some(uri) => {
                let answer = self.direct()?.send((method, uri), headers, body).await;
                answer.map(Answer::Direct).map_err(|error| self.failed(error))
            }
            // In a box, for which calls without a proxy need no room.
            None => Box::pin(self.send_led(method, to.url.clone(), headers, body)).await,
        }
    }

    /// Sends a request through the proxies, or to an address that only reqwest takes.
    async fn send_led(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Parts,
    ) -> Result<Answer> {
        // A builder takes the user and the password out of the address, which is logged.
        let (client, request) =
            self.client()?.request(method, url).body(body.whole()).build_split();
        let mut request = request.map_err(transport_error)?;
        let of_address = mem::replace(request.headers_mut(), headers);
        if let Some(password) = of_address.get(AUTHORIZATION) {
            let given = request.headers_mut().entry(AUTHORIZATION);
            given.or_insert_with(|| password.clone());
        }
        let answer = client.execute(request).await;
        answer.map(Answer::Led).map_err(|error| match error.is_connect() && error.is_timeout() {
            true => self.late(error.without_url()),
            false => transport_error(error),
        })
    }

    /// The error of a call that did not come through, with the limit that it ran into.
    fn failed(&self, error: CallError) -> Error {
        if direct::is_late(&error) {
            return self.late(error);
        }
        match error {
            CallError::Connect(_) => told(ErrorKind::Connect, "no connection", error),
            CallError::Http1(_) | CallError::Http2(_) => broken(error),
        }
    }

    fn late(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        let message = format!("no connection came within {:?}", self.inner.limits.connect_timeout);
        let kind = ErrorKind::Timeout { phase: Phase::Connect };
        Error::new(kind, message).with_source(error)
    }

    /// Gets a document that is not part of a chat.
    pub(crate) async fn get(&self, url: Url) -> Result<Bytes> {
        let answer = self.get_with(url, HeaderMap::new()).await?;
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            let message = format!("the server answers {status}");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        self.read(answer).await
    }

    /// The address that is called in place of this one, if there is one.
    #[cfg(feature = "testing")]
    fn routed(&self, to: &Address) -> Option<Address> {
        let mut routed = self.inner.stand_in.clone()?;
        routed.set_path(to.url.path());
        routed.set_query(to.url.query());
        Some(Address::new(routed))
    }

    /// The whole body, up to the limit, without a copy if it comes in one piece.
    pub(crate) async fn read(&self, answer: Answer) -> Result<Bytes> {
        let limit = self.inner.limits.response_bytes_max;
        let too_large = || {
            let message = format!("the answer is larger than {limit} bytes");
            Error::new(ErrorKind::TooLarge, message)
        };
        let mut pieces = answer.into_pieces();
        let mut first = Bytes::new();
        let mut body = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(broken)?;
            if first.len() + body.len() + piece.len() > limit {
                return Err(too_large());
            }
            if first.is_empty() && body.is_empty() {
                first = piece;
                continue;
            }
            body.extend_from_slice(&mem::take(&mut first));
            body.extend_from_slice(&piece);
        }
        Ok(if body.is_empty() { first } else { body.freeze() })
    }

    fn direct(&self) -> Result<&Direct> {
        if let Some(direct) = self.inner.direct.get() {
            return Ok(direct);
        }
        let direct = Direct::new(tls_of_calls()?, self.inner.limits.connect_timeout);
        Ok(self.inner.direct.get_or_init(|| direct))
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

fn build_client(limits: &HttpLimits, proxies: &[Proxy]) -> Result<Client> {
    // Without this reqwest asks the environment for a proxy.
    let builder = Client::builder().no_proxy();
    proxies
        .iter()
        .cloned()
        .fold(builder, ClientBuilder::proxy)
        .tls_backend_preconfigured(tls_of_calls()?)
        .connect_timeout(limits.connect_timeout)
        .redirect(Policy::none())
        .user_agent(direct::OUR_NAME)
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
    if error.is_connect() && error.is_timeout() {
        let kind = ErrorKind::Timeout { phase: Phase::Connect };
        told(kind, "no connection in time", error)
    } else if error.is_connect() {
        told(ErrorKind::Connect, "no connection", error)
    } else {
        broken(error)
    }
}

/// The error of an answer that broke off.
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = "the connection broke before the whole answer was there";
    told(ErrorKind::Unavailable, message, error)
}

fn told(
    kind: ErrorKind,
    message: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
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

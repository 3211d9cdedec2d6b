//! Where a provider is, and how it is called: what is the same for every protocol.

mod macros;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use memchr::memmem;
use reqwest::{Url, header::HeaderMap};
use serde_json::{Map, Value};

pub(super) use self::macros::{calls, settings};
use super::{
    Http,
    failure::Failure,
    http::{self, Address, Answer},
    structured::{self, ByTool},
    unary::Call,
    unsupported,
    wire::{self, Wire},
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, EmbedRequest, Error, ErrorKind, Provider,
    RelayRequest, RelayResponse, RelayStream, Result, Usage,
    model::{EmbedProtocol, Protocol},
    parts::Parts,
    relay,
    secret::Secrets,
};

/// Where answers say which service tier they are of.
const TIER: &str = "service_tier";

/// What a user says about a provider.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) key: Option<ApiKey>,
    pub(super) base_url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) http: Option<Http>,
    /// What all calls have in common, once nothing more can be set.
    pub(super) ready: Option<Arc<Ready>>,
}

/// What does not depend on what is asked.
pub(super) struct Ready {
    pub(super) address: Address,
    headers: HeaderMap,
}

/// A provider as its protocol makes it differ from the others.
pub(super) trait Speaker: Send + Sync {
    /// The meaning of its streams.
    type Wire: Wire + Default;

    fn endpoint(&self) -> &Endpoint;

    /// The address that chat requests are posted to.
    fn url(&self) -> Result<Url>;

    /// The address of one call, where it depends on what is asked.
    fn call_url(&self, model: &str, stream: bool) -> Option<Result<Url>> {
        let _ = (model, stream);
        None
    }

    /// The address of the list of models, which stands beside that of chat requests.
    fn models_url(&self) -> Result<Url> {
        let mut url = self.url()?;
        let path = url.path();
        let ends = ["/chat/completions", "/messages", "/responses", "/chat"];
        let base = ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
        let path = format!("{base}/models");
        url.set_path(&path);
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap>;

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value>;

    /// Whether JSON of a schema is asked for as the arguments of a tool.
    fn by_tool(&self, request: &ChatRequest, stream: bool) -> ByTool {
        let _ = (request, stream);
        ByTool::No
    }

    /// Whether the provider takes a request that came in the same protocol.
    fn relays(&self, request: &RelayRequest) -> bool {
        let _ = request;
        true
    }

    /// The same account by another protocol that the server speaks.
    fn by(&self, protocol: Protocol) -> Option<&dyn Provider> {
        let _ = protocol;
        None
    }

    /// The body of a request that came in the same protocol.
    fn relayed_body(&self, request: &RelayRequest) -> Result<Parts> {
        Ok(request.parts_for_model())
    }

    /// Whether a stream reports its usage without being asked.
    const REPORTS_USAGE: bool = true;

    /// The field of an answer that holds its id.
    const ID: &'static str = "id";
    /// The field of an answer that names the model.
    const MODEL: &'static str = "model";
    /// The field of an answer that says what was used.
    const USAGE: &'static str = "usage";
    /// The fields beside `error` that tell an error from an answer.
    const VERDICT: &'static [&'static str];

    /// What was used.
    fn usage(fields: Map<String, Value>) -> Usage;

    /// The error in a body that came with a status of success.
    fn error_in(body: &Value) -> Option<&Value>;

    fn failure_kind(failure: &Failure) -> Option<ErrorKind>;

    fn response_from_json(body: Value) -> Result<ChatResponse>;

    /// The call that turns these inputs into vectors.
    fn embed_call(&self, request: &EmbedRequest) -> Result<Call<EmbedProtocol>> {
        let _ = request;
        Err(unsupported("it has no embeddings"))
    }

    /// The call that counts the tokens of this request.
    fn count_call(&self, request: &ChatRequest) -> Result<Call<Protocol>> {
        let _ = request;
        Err(unsupported("it counts no tokens"))
    }
}

impl Endpoint {
    pub(super) fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: None,
            base_url: base_url.into(),
            headers: Vec::new(),
            http: None,
            ready: None,
        }
    }

    /// Takes the shared connections, unless there are some already.
    pub(super) fn share(&mut self, http: &Http) {
        self.http.get_or_insert_with(|| http.clone());
    }

    /// The provider's name and address, without what may be secret in them.
    pub(super) fn debug(&self, f: &mut fmt::Formatter<'_>, type_name: &str) -> fmt::Result {
        let mut debug = f.debug_struct(type_name);
        debug.field("name", &self.name);
        debug.field("base_url", &http::display_url(&self.base_url));
        debug.finish_non_exhaustive()
    }

    pub(super) fn pool(&self) -> Http {
        self.http.clone().unwrap_or_default()
    }

    pub(super) fn label(&self, error: Error) -> Error {
        http::label(error, &self.name, &Secrets::new(self.key.as_ref(), &self.headers))
    }
}

/// Makes what all calls have in common, and so finds out before the first one what would make
/// every call fail.
pub(super) fn ready<S: Speaker>(speaker: &S) -> Result<Arc<Ready>> {
    let endpoint = speaker.endpoint();
    let ready = || {
        let address = Address::new(speaker.url()?);
        let ready = Ready { address, headers: speaker.header_map()? };
        endpoint.pool().warm(&ready.address)?;
        Ok(Arc::new(ready))
    };
    ready().map_err(|error| endpoint.label(error))
}

/// Asks for the list of models.
pub(super) fn probe<S: Speaker>(speaker: &S) -> BoxFuture<'_, Result<()>> {
    let asked = async move {
        let (url, headers) = (speaker.models_url()?, speaker.header_map()?);
        let response = speaker.endpoint().pool().get_with(url, headers).await?;
        http::accept(response, false, S::failure_kind).await.map(drop)
    };
    async move { asked.await.map_err(|error| speaker.endpoint().label(error)) }.boxed()
}

/// Asks and waits for the whole answer.
pub(super) fn chat<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a ChatRequest,
) -> BoxFuture<'a, Result<ChatResponse>> {
    async move { whole(speaker, request).await.map_err(|error| speaker.endpoint().label(error)) }
        .boxed()
}

/// Asks, and returns once the provider has begun to answer.
pub(super) fn stream<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a ChatRequest,
) -> BoxFuture<'a, Result<ChatStream>> {
    async move { events(speaker, request).await.map_err(|error| speaker.endpoint().label(error)) }
        .boxed()
}

/// Passes a request on and waits for the whole answer.
pub(super) fn relay<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a RelayRequest,
) -> BoxFuture<'a, Result<RelayResponse>> {
    async move {
        relay_whole(speaker, request).await.map_err(|error| speaker.endpoint().label(error))
    }
    .boxed()
}

/// Passes a request on, and returns once the provider has begun to answer.
pub(super) fn relay_stream<'a, S: Speaker>(
    speaker: &'a S,
    request: &'a RelayRequest,
) -> BoxFuture<'a, Result<RelayStream>> {
    async move {
        relay_events(speaker, request).await.map_err(|error| speaker.endpoint().label(error))
    }
    .boxed()
}

/// A body, and what else there is to know to post it.
struct Post<'a> {
    model: &'a str,
    stream: bool,
    body: Parts,
    /// The client's own.
    headers: Option<&'a HeaderMap>,
}

impl<'a> Post<'a> {
    fn chat(speaker: &impl Speaker, request: &'a ChatRequest, stream: bool) -> Result<Self> {
        let body = speaker.body(request, stream)?.to_string().into();
        Ok(Self { model: &request.model, stream, body, headers: None })
    }

    fn relay(speaker: &impl Speaker, request: &'a RelayRequest, stream: bool) -> Result<Self> {
        let body = speaker.relayed_body(request)?;
        Ok(Self { model: request.model(), stream, body, headers: Some(request.headers()) })
    }

    async fn send<S: Speaker>(self, speaker: &S) -> Result<Answer> {
        let endpoint = speaker.endpoint();
        let ready = endpoint.ready.as_ref();
        let mut headers = match ready {
            Some(ready) => ready.headers.clone(),
            None => speaker.header_map()?,
        };
        if let Some(of_client) = self.headers {
            relay::headers::add(&mut headers, of_client);
        }
        let own = match (speaker.call_url(self.model, self.stream), ready) {
            (Some(url), _) => Some(Address::new(url?)),
            (None, Some(_)) => None,
            (None, None) => Some(Address::new(speaker.url()?)),
        };
        let Some(to) = own.as_ref().or(ready.map(|ready| &ready.address)) else {
            return Err(Error::new(ErrorKind::Config, "there is no address to call"));
        };
        let response = endpoint.pool().post(to, headers, self.body).await?;
        http::accept(response, self.stream, S::failure_kind).await
    }
}

async fn whole<S: Speaker>(speaker: &S, request: &ChatRequest) -> Result<ChatResponse> {
    let response = Post::chat(speaker, request, false)?.send(speaker).await?;
    let body = http::read_json(&speaker.endpoint().pool(), response).await?;
    if let Some(error) = S::error_in(&body) {
        return Err(body_error(error, S::failure_kind));
    }
    let answer = S::response_from_json(body)?;
    Ok(match structured::tool_of(request, speaker.by_tool(request, false)) {
        Some(tool) => structured::whole(&tool, answer),
        None => answer,
    })
}

async fn events<S: Speaker>(speaker: &S, request: &ChatRequest) -> Result<ChatStream> {
    let response = Post::chat(speaker, request, true)?.send(speaker).await?;
    let bytes = response.into_pieces();
    let endpoint = speaker.endpoint().clone();
    let events = wire::read(bytes, endpoint.pool().limits(), S::Wire::default());
    let events = match structured::tool_of(request, speaker.by_tool(request, true)) {
        Some(tool) => structured::stream(tool, events),
        None => events,
    };
    Ok(ChatStream::new(events.map_err(move |error| endpoint.label(error))))
}

async fn relay_whole<S: Speaker>(speaker: &S, request: &RelayRequest) -> Result<RelayResponse> {
    let response = Post::relay(speaker, request, false)?.send(speaker).await?;
    let status = response.status().as_u16();
    relayed::<S>(status, speaker.endpoint().pool().read(response).await?)
}

/// Reads of an answer what is to be known of it.
pub(super) fn relayed<S: Speaker>(status: u16, body: Bytes) -> Result<RelayResponse> {
    let not_json = |error| http::not_json(&error, status, &body);
    // Where the word stands there may be an error in a place that only a whole reading finds.
    if memmem::find(&body, b"\"error\"").is_some() {
        let whole = serde_json::from_slice(&body).map_err(not_json)?;
        refuse::<S>(&whole)?;
    }
    let mut answer = RelayResponse::default();
    let mut usage = None;
    let mut verdict = Map::new();
    relay::fields(&body, |name, value| {
        if name == S::USAGE.as_bytes() {
            usage = Some(serde_json::from_slice(value)?);
        } else if name == S::ID.as_bytes() {
            answer.id = relay::text(value)?.unwrap_or_default();
        } else if name == S::MODEL.as_bytes() {
            answer.model = relay::text(value)?.unwrap_or_default();
        } else if name == TIER.as_bytes() {
            answer.service_tier = relay::text(value)?;
        } else if let Some(name) = S::VERDICT.iter().find(|verdict| verdict.as_bytes() == name) {
            verdict.insert((*name).to_owned(), serde_json::from_slice(value)?);
        }
        Ok(())
    })
    .map_err(not_json)?;
    refuse::<S>(&Value::Object(verdict))?;
    if let Some(Value::Object(usage)) = usage {
        answer.usage = Some(S::usage(usage));
    }
    answer.body = body;
    Ok(answer)
}

/// Ends a call whose answer is an error, though its status is one of success.
fn refuse<S: Speaker>(answer: &Value) -> Result<()> {
    let error = S::error_in(answer).map(|error| body_error(error, S::failure_kind));
    error.map_or(Ok(()), Err)
}

async fn relay_events<S: Speaker>(speaker: &S, request: &RelayRequest) -> Result<RelayStream> {
    let response = Post::relay(speaker, request, true)?.send(speaker).await?;
    let bytes = response.into_pieces();
    let endpoint = speaker.endpoint().clone();
    let wants_usage = S::REPORTS_USAGE || request.wants_usage();
    let chunks = wire::pass(bytes, endpoint.pool().limits(), S::Wire::default(), wants_usage);
    let chunks = chunks.map_err(move |error| endpoint.label(error));
    Ok(RelayStream::new(chunks).with_protocol(request.protocol()))
}

/// The error in a body that came with a status of success, or in an event.
pub(super) fn body_error(body: &Value, kind: fn(&Failure) -> Option<ErrorKind>) -> Error {
    let failure = Failure::of_body(body);
    let kind = kind(&failure);
    failure.into_error(kind)
}

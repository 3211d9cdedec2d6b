//! What is done: tools are called, resources read, prompts made.

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::{OnceLock, atomic::AtomicBool},
    task::Poll,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use super::{Answer, Caller, Engine, Failure};
use crate::{
    dependency::Outcome,
    error::{HttpError, Panic, Result},
    input::RequestContext,
    mcp::{
        arguments::Texts,
        ask::{Asking, Known, Stop, merge},
        content::{Contents, Message},
        context::{Era, Inner, McpContext, Over},
        hub::Kind,
        message::{Params, Request, RpcError, response},
        output::ToolResult,
        seal::Call,
    },
};

/// How a function came to its end.
enum Ran<T> {
    Done(Result<T>),
    /// It waits for the client, so it goes no further.
    Stopped(Box<Stop>),
}

impl Engine {
    /// What is called in both eras, and what is listed.
    pub(super) async fn in_both_eras(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        match request.method.as_str() {
            "tools/call" => self.call_tool(request, params, work, caller, era).await,
            "resources/read" => self.read_resource(request, params, work, caller, era).await,
            "prompts/get" => self.get_prompt(request, params, work, caller, era).await,
            "completion/complete" => self.complete(request, params, work, &caller, era).await,
            _ => self.list(request, params, &caller, era),
        }
    }

    async fn call_tool(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        let name = required(params.name.as_deref(), "name")?;
        let entry = self.registry.tools.find(name);
        let entry = entry.filter(|entry| self.shows(Kind::Tool, &caller.access, &entry.common));
        let entry = entry.ok_or_else(|| RpcError::invalid(format!("Unknown tool: {name}")))?;
        let arguments = match params.arguments {
            None => Bytes::new(),
            Some(raw) if raw.get().starts_with('{') => {
                request.params.slice_ref(raw.get().as_bytes())
            }
            Some(_) => return Err(RpcError::invalid("`arguments` is an object").into()),
        };
        let call = Call {
            method: "tools/call",
            name,
            arguments: &arguments,
            owner: caller.access.owner_name(),
        };
        work.cx.set_bytes(arguments.clone());
        let context = self.begin(params, &caller, era, call, work)?;
        let driven = drive(entry.item.run.call(&mut work.cx), &context).await;
        let result = match work.judge(driven) {
            Ran::Stopped(stop) => return self.stopped(request, call, *stop),
            Ran::Done(Ok(result)) => result,
            Ran::Done(Err(error)) => told(name, error)?,
        };
        let is_error = result.is_error;
        Ok(Answer { is_error, ..self.respond(&request.id, era, &result)? })
    }

    async fn read_resource(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        let uri = required(params.uri.as_deref(), "uri")?;
        let shows =
            |item: &crate::mcp::about::Common| self.shows(Kind::Resource, &caller.access, item);
        let found = self.registry.resource(uri, shows);
        let (resource, values) = found.ok_or_else(|| no_resource(uri, era))?;
        let values = values.into_iter().map(|(name, text)| (name.into(), text.into()));
        work.cx.parts_mut().extensions.insert(Texts(values.collect()));
        let call = Call {
            method: "resources/read",
            name: uri,
            arguments: b"",
            owner: caller.access.owner_name(),
        };
        let context = self.begin(params, &caller, era, call, work)?;
        let driven = drive(resource.run.read(uri, &mut work.cx), &context).await;
        match work.judge(driven) {
            Ran::Stopped(stop) => self.stopped(request, call, *stop),
            Ran::Done(Ok(contents)) => {
                let read = Read { contents: &contents, cache: self.cache_of_contents(era) };
                self.respond(&request.id, era, &read)
            }
            Ran::Done(Err(error)) if error.status() == StatusCode::NOT_FOUND => {
                Err(no_resource(uri, era).into())
            }
            Ran::Done(Err(error)) => Err(failed(uri, error)),
        }
    }

    async fn get_prompt(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        let name = required(params.name.as_deref(), "name")?;
        let entry = self.registry.prompts.find(name);
        let entry = entry.filter(|entry| self.shows(Kind::Prompt, &caller.access, &entry.common));
        let entry = entry.ok_or_else(|| RpcError::invalid(format!("Unknown prompt: {name}")))?;
        let arguments = params.arguments.map_or("{}", |raw| raw.get());
        let texts: Map<String, Value> = serde_json::from_str(arguments)
            .map_err(|_| RpcError::invalid("`arguments` is an object"))?;
        let missing = entry.item.required.iter().filter(|name| !texts.contains_key(*name));
        let missing: Vec<String> = missing.map(|name| format!("{name}: Field required")).collect();
        if !missing.is_empty() {
            return Err(RpcError::invalid(missing.join("; ")).into());
        }
        let as_text = |value: Value| match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let texts = texts.into_iter().filter(|(_, value)| !value.is_null());
        let texts = texts.map(|(name, value)| (name, as_text(value))).collect();
        work.cx.parts_mut().extensions.insert(Texts(texts));
        let call = Call {
            method: "prompts/get",
            name,
            arguments: arguments.as_bytes(),
            owner: caller.access.owner_name(),
        };
        let context = self.begin(params, &caller, era, call, work)?;
        let driven = drive(entry.item.run.get(&mut work.cx), &context).await;
        match work.judge(driven) {
            Ran::Stopped(stop) => self.stopped(request, call, *stop),
            Ran::Done(Ok(messages)) => {
                let description = entry.item.description.as_deref();
                self.respond(&request.id, era, &Got { description, messages: &messages })
            }
            Ran::Done(Err(error)) => Err(failed(name, error)),
        }
    }

    /// What the function knows of its call, which is put where its inputs find it.
    fn begin(
        &self,
        params: &Params<'_>,
        caller: &Caller,
        era: Era,
        call: Call<'_>,
        work: &mut Work,
    ) -> Result<McpContext, Failure> {
        let meta = params.meta.as_ref();
        let session = caller.session.as_ref().filter(|_| era == Era::Legacy);
        let known = match (&params.request_state, era) {
            (Some(state), Era::Modern) => self.seal.open(call, state).ok_or_else(|| {
                RpcError::invalid("The `requestState` is not of this call, or too old")
            })?,
            _ => Known::default(),
        };
        let known = merge(known, params.input_responses.filter(|_| era == Era::Modern))
            .map_err(|error| RpcError::invalid(format!("Invalid `inputResponses`: {error}")))?;
        let capabilities = match (era, session) {
            (Era::Modern, _) => meta.and_then(|meta| meta.capabilities),
            (Era::Legacy, session) => session.map(|session| session.capabilities),
        };
        let client = match (era, session) {
            (Era::Modern, _) => meta.and_then(|meta| meta.client.clone()),
            (Era::Legacy, session) => session.and_then(|session| session.client.clone()),
        };
        let context = McpContext::new(Inner {
            era,
            progress: meta.and_then(|meta| meta.progress).map(ToOwned::to_owned),
            level: meta.and_then(|meta| meta.level),
            capabilities: capabilities.unwrap_or_default(),
            client,
            out: caller.out.clone(),
            session: session.cloned(),
            asking: Asking::new(known),
            ask_timeout: self.settings.ask_timeout,
            cancelled: OnceLock::new(),
            is_over: AtomicBool::new(false),
        });
        work.cx.parts_mut().extensions.insert(context.clone());
        Ok(context)
    }

    /// Ends a call that waits for its client: what it asks is the answer.
    fn stopped(&self, request: &Request, call: Call<'_>, stop: Stop) -> Result<Answer, Failure> {
        let (requests, known) = match stop {
            Stop::Asked { requests, known } => (requests, known),
            Stop::Missing(required) => {
                let error = "The client lacks a capability that this needs";
                let error = RpcError::new(RpcError::MISSING_CAPABILITY, error);
                return Err(error.with(json!({ "requiredCapabilities": required })).into());
            }
        };
        let mut result = Map::new();
        result.insert("resultType".to_owned(), "input_required".into());
        result.insert("inputRequests".to_owned(), requests.into());
        let Some(state) = self.seal.seal(call, known) else {
            let name = call.name;
            tracing::error!(name, "what a call was answered is too long, or nothing can be sealed");
            return Err(RpcError::new(RpcError::INTERNAL, "The answers are too long").into());
        };
        result.insert("requestState".to_owned(), state.into());
        Ok(Answer::of(response(&request.id, &result, Some(&self.tails.bare))?))
    }
}

/// How a function went: what it has returned or that it panicked, or what it waits for.
type Driven<T> = Result<std::thread::Result<Result<T>>, Stop>;

/// Runs a function to its end, or until it waits for the client.
async fn drive<T>(function: BoxFuture<'_, Result<T>>, context: &McpContext) -> Driven<T> {
    let _over = Over(context.clone());
    let asking = &context.inner().asking;
    let mut function = AssertUnwindSafe(function).catch_unwind();
    poll_fn(|task| match function.poll_unpin(task) {
        Poll::Ready(result) => Poll::Ready(Ok(result)),
        // Whatever else it waits for: what it asks has no answer in this request.
        Poll::Pending => {
            asking.stop(task.waker()).map_or(Poll::Pending, |stop| Poll::Ready(Err(stop)))
        }
    })
    .await
}

/// A request while it is answered, and how that went.
pub(super) struct Work {
    pub(super) cx: RequestContext,
    outcome: Outcome,
    /// Whether it only asks its client, so that nothing follows.
    has_stopped: bool,
}

impl Work {
    pub(super) fn new(cx: RequestContext) -> Self {
        Self { cx, outcome: Outcome::Ok, has_stopped: false }
    }

    /// Notes how a function went. A panic is an error.
    fn judge<T>(&mut self, driven: Driven<T>) -> Ran<T> {
        match driven {
            Ok(Ok(Ok(value))) => Ran::Done(Ok(value)),
            Ok(Ok(Err(error))) => {
                self.outcome = Outcome::Error(error.status());
                for (name, value) in error.headers() {
                    self.cx.head().header(name.clone(), value.clone());
                }
                Ran::Done(Err(error))
            }
            Ok(Err(panic)) => {
                self.outcome = Outcome::Panicked;
                Ran::Done(Err(HttpError::internal(Panic::of(&*panic))))
            }
            Err(stop) => {
                self.has_stopped = true;
                Ran::Stopped(Box::new(stop))
            }
        }
    }

    /// Notes that there is no result.
    pub(super) fn fail(&mut self) {
        if self.outcome == Outcome::Ok {
            self.outcome = Outcome::Error(StatusCode::BAD_REQUEST);
        }
    }

    /// Ends the request: exits run, and after a success background tasks, without being waited for.
    pub(super) async fn end(self) {
        if self.cx.has_nothing_to_finish() {
            return;
        }
        let mut scope = self.cx.into_scope();
        match self.outcome {
            Outcome::Ok if self.has_stopped => scope.finish(Outcome::Ok, false),
            Outcome::Ok => {
                scope.returned(Outcome::Ok).await;
                scope.finish(Outcome::Ok, true);
            }
            outcome => scope.failed(outcome).await,
        }
    }
}

/// A parameter that a request cannot do without.
fn required<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, RpcError> {
    value.ok_or_else(|| RpcError::invalid(format!("`{name}` is missing")))
}

/// Whether an error tells the client to say who it is, or to ask for more scopes: that is for HTTP
/// to say.
pub(in crate::mcp) fn is_challenge(error: &HttpError) -> bool {
    let names_scheme = || error.headers().any(|(name, _)| name == header::WWW_AUTHENTICATE);
    match error.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => names_scheme(),
        _ => false,
    }
}

/// The error of a tool, as its model reads it.
fn told(name: &str, error: HttpError) -> Result<ToolResult, Failure> {
    if is_challenge(&error) {
        return Err(Failure::Refused(error));
    }
    if error.status().is_server_error() {
        tracing::error!(tool = name, error = %error.log_message(), "a tool failed");
    }
    let text = match error.invalid() {
        Some(invalid) => format!("Invalid arguments: {invalid}"),
        None => error.message(),
    };
    Ok(ToolResult::error(text))
}

/// The error of a resource or a prompt, which has no result that could be one.
fn failed(name: &str, error: HttpError) -> Failure {
    if is_challenge(&error) {
        return Failure::Refused(error);
    }
    if error.status().is_server_error() {
        tracing::error!(name, error = %error.log_message(), "a resource or a prompt failed");
        return RpcError::new(RpcError::INTERNAL, error.message()).into();
    }
    RpcError::invalid(error.message()).into()
}

pub(super) fn no_resource(uri: &str, era: Era) -> RpcError {
    let code = match era {
        Era::Modern => RpcError::INVALID_PARAMS,
        Era::Legacy => RpcError::RESOURCE_NOT_FOUND,
    };
    RpcError::new(code, "Resource not found").with(json!({ "uri": uri }))
}

/// What was read, as it is sent.
struct Read<'a> {
    contents: &'a [Contents],
    cache: Option<(u64, &'static str)>,
}

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let contents: Vec<_> = self.contents.iter().map(|contents| &contents.0).collect();
        map.serialize_entry("contents", &contents)?;
        if let Some((ttl, scope)) = self.cache {
            map.serialize_entry("ttlMs", &ttl)?;
            map.serialize_entry("cacheScope", scope)?;
        }
        map.end()
    }
}

/// A prompt, as it is sent.
#[derive(Serialize)]
struct Got<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    messages: &'a [Message],
}

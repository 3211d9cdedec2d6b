//! JSON-RPC: messages as they arrive, and as they are sent.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

/// The newest revision of the protocol, which has no sessions.
pub(super) const MODERN: &str = "2026-07-28";
/// The revisions that begin with a handshake, the newest first.
pub(super) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The revisions that this server speaks.
pub(super) fn versions() -> impl Iterator<Item = &'static str> {
    std::iter::once(MODERN).chain(LEGACY)
}

/// The id of a request, as it was written: a text or a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id(Bytes);

impl Id {
    pub(super) fn json(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }

    /// As a parameter names it.
    pub(super) fn of(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
    }

    /// An id that the server gives to a request of its own.
    pub(super) fn of_number(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// What the client sends.
#[derive(Debug)]
pub(super) enum Incoming {
    Request(Request),
    Notification {
        method: String,
        params: Bytes,
    },
    /// The answer to a request of the server.
    Response {
        id: Id,
        result: Result<Value, Value>,
    },
}

/// What the client asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Id,
    pub(super) method: String,
    /// An object, or nothing.
    pub(super) params: Bytes,
}

/// What is no message.
#[derive(Debug)]
pub(super) struct Malformed(Box<(Option<Id>, RpcError)>);

impl Malformed {
    /// Whom an error is told: `null` where that is not known.
    fn new(id: Option<Id>, error: RpcError) -> Self {
        Self(Box::new((id, error)))
    }

    pub(super) fn response(&self) -> Bytes {
        let (id, error) = &*self.0;
        error.response(id.as_ref())
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<Value>,
    error: Option<Value>,
}

impl Incoming {
    /// Reads a message. What is long in it is not copied.
    pub(super) fn parse(bytes: &Bytes) -> Result<Self, Malformed> {
        let nobody = |error| Malformed::new(None, error);
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| {
            nobody(match error.is_data() {
                // So is a batch, which only 2025-03-26 has; its clients send none.
                true => RpcError::invalid_request("a message is one object of JSON-RPC"),
                false => RpcError::new(RpcError::PARSE, format!("Parse error: {error}")),
            })
        })?;
        let id = match envelope.id.map(RawValue::get) {
            None => None,
            Some(id) if id.starts_with(['"', '-']) || id.starts_with(|c: char| c.is_numeric()) => {
                Some(Id(bytes.slice_ref(id.as_bytes())))
            }
            Some(_) => {
                return Err(nobody(RpcError::invalid_request("an id is a text or a number")));
            }
        };
        if envelope.jsonrpc != "2.0" {
            let error = RpcError::invalid_request("`jsonrpc` is \"2.0\"");
            return Err(Malformed::new(id, error));
        }
        let params = match envelope.params.map(RawValue::get) {
            None | Some("null") => Bytes::new(),
            Some(params) if params.starts_with('{') => bytes.slice_ref(params.as_bytes()),
            Some(_) => {
                return Err(Malformed::new(id, RpcError::invalid("`params` is an object")));
            }
        };
        match (envelope.method, id, envelope.result, envelope.error) {
            (Some(method), Some(id), ..) => Ok(Self::Request(Request { id, method, params })),
            (Some(method), None, ..) => Ok(Self::Notification { method, params }),
            (None, Some(id), Some(result), None) => Ok(Self::Response { id, result: Ok(result) }),
            (None, Some(id), None, Some(error)) => Ok(Self::Response { id, result: Err(error) }),
            (None, id, ..) => {
                let error = RpcError::invalid_request("a message has a `method` or a `result`");
                Err(Malformed::new(id, error))
            }
        }
    }
}

/// What requests bring, each its part.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Params<'a> {
    #[serde(rename = "_meta", borrow)]
    pub(super) meta: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    pub(super) cursor: Option<String>,
    pub(super) level: Option<Level>,
    #[serde(borrow)]
    pub(super) input_responses: Option<&'a RawValue>,
    pub(super) request_state: Option<String>,
    pub(super) protocol_version: Option<String>,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) client_info: Option<ClientInfo>,
    #[serde(borrow)]
    pub(super) request_id: Option<&'a RawValue>,
    pub(super) notifications: Option<Filter>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<Reference>,
    pub(super) argument: Option<CompletedArgument>,
    pub(super) context: Option<CompletionContext>,
}

impl<'a> Params<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, RpcError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes)
            .map_err(|error| RpcError::invalid(format!("Invalid params: {error}")))
    }

    /// What a request says of itself in the newest revision.
    pub(super) fn modern(&self) -> Option<&str> {
        self.meta.as_ref()?.version.as_deref()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    pub(super) version: Option<String>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    pub(super) client: Option<ClientInfo>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) capabilities: Option<Capabilities>,
    #[serde(rename = "io.modelcontextprotocol/logLevel")]
    pub(super) level: Option<Level>,
    #[serde(rename = "progressToken", borrow)]
    pub(super) progress: Option<&'a RawValue>,
}

/// The program that speaks to the server, by its own account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ClientInfo {
    /// What it calls itself.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// What a client can be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "WireCapabilities")]
pub(super) struct Capabilities {
    pub(super) sampling: bool,
    pub(super) roots: bool,
    pub(super) forms: bool,
    pub(super) urls: bool,
}

#[derive(Deserialize)]
struct WireCapabilities {
    sampling: Option<serde::de::IgnoredAny>,
    roots: Option<serde::de::IgnoredAny>,
    elicitation: Option<HashMap<String, serde::de::IgnoredAny>>,
}

impl From<WireCapabilities> for Capabilities {
    fn from(wire: WireCapabilities) -> Self {
        let modes = wire.elicitation.as_ref();
        // Who names no mode has forms, as they were there first.
        let forms = modes.is_some_and(|modes| modes.is_empty() || modes.contains_key("form"));
        let urls = modes.is_some_and(|modes| modes.contains_key("url"));
        Self { sampling: wire.sampling.is_some(), roots: wire.roots.is_some(), forms, urls }
    }
}

/// How much a message of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For those who look for a mistake.
    Debug,
    /// What happens.
    Info,
    /// What happens and is not usual.
    Notice,
    /// What may lead to an error.
    Warning,
    /// What went wrong.
    Error,
    /// What others need to know at once.
    Critical,
    /// What someone has to act upon now.
    Alert,
    /// Nothing can be used any more.
    Emergency,
}

/// Which notifications a stream is to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) tools_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) prompts_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) resources_list_changed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resource_subscriptions: Vec<String>,
}

/// Whose argument is completed.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Debug, Deserialize)]
pub(super) struct CompletedArgument {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CompletionContext {
    pub(super) arguments: HashMap<String, String>,
}

/// An error of the protocol, which a client reads rather than a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) const PARSE: i32 = -32700;
    pub(super) const INVALID_REQUEST: i32 = -32600;
    pub(super) const METHOD_NOT_FOUND: i32 = -32601;
    pub(super) const INVALID_PARAMS: i32 = -32602;
    pub(super) const INTERNAL: i32 = -32603;
    /// Of our own: the caller may not.
    pub(super) const REFUSED: i32 = -32001;
    /// Until 2025-11-25; later it is `INVALID_PARAMS`.
    pub(super) const RESOURCE_NOT_FOUND: i32 = -32002;
    pub(super) const HEADER_MISMATCH: i32 = -32020;
    pub(super) const MISSING_CAPABILITY: i32 = -32021;
    pub(super) const UNSUPPORTED_VERSION: i32 = -32022;

    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(super) fn with(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_PARAMS, message)
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_REQUEST, format!("Invalid request: {}", message.into()))
    }

    pub(super) fn method_not_found(method: &str) -> Self {
        Self::new(Self::METHOD_NOT_FOUND, format!("Method not found: {method}"))
    }

    pub(super) fn unsupported_version(requested: &str) -> Self {
        let supported: Vec<_> = versions().collect();
        Self::new(Self::UNSUPPORTED_VERSION, "Unsupported protocol version")
            .with(json!({ "supported": supported, "requested": requested }))
    }

    /// The whole message.
    pub(super) fn response(&self, id: Option<&Id>) -> Bytes {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(error)) = (&self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data.clone());
        }
        let id = id.map_or(Value::Null, Id::value);
        json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into()
    }
}

/// A message that is no answer.
pub(super) fn notification(method: &str, params: &Value) -> Bytes {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string().into()
}

/// A request of the server.
pub(super) fn request(id: &Id, method: &str, params: &Value) -> Bytes {
    json!({ "jsonrpc": "2.0", "id": id.value(), "method": method, "params": params })
        .to_string()
        .into()
}

/// The answer to a request. What goes into every answer of the newest revision is at its end.
pub(super) fn response(
    id: &Id,
    result: &impl Serialize,
    tail: Option<&[u8]>,
) -> Result<Bytes, serde_json::Error> {
    let mut json = Vec::with_capacity(256);
    json.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    json.extend_from_slice(id.json());
    json.extend_from_slice(br#","result":"#);
    let start = json.len();
    serde_json::to_writer(&mut json, result)?;
    if let Some(tail) = tail {
        // Both are an object.
        json.pop();
        if json.len() > start + 1 {
            json.push(b',');
        }
        json.extend_from_slice(tail);
        json.push(b'}');
    }
    json.push(b'}');
    Ok(json.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Incoming, Malformed> {
        Incoming::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn code(text: &str) -> i32 {
        parse(text).unwrap_err().0.1.code
    }

    #[test]
    fn messages_are_told_apart() {
        let request = parse(r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":1}}"#);
        let Incoming::Request(request) = request.unwrap() else { panic!() };
        assert_eq!((request.id.json(), &*request.params), (&b"\"a\""[..], &b"{\"x\":1}"[..]));
        let notification = parse(r#"{"jsonrpc":"2.0","method":"x"}"#).unwrap();
        assert!(matches!(notification, Incoming::Notification { .. }));
        let response = parse(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap();
        assert!(matches!(response, Incoming::Response { result: Ok(_), .. }));
        let response = parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#).unwrap();
        assert!(matches!(response, Incoming::Response { result: Err(_), .. }));
    }

    #[test]
    fn what_is_no_message_says_why() {
        assert_eq!(code("{"), RpcError::PARSE);
        assert_eq!(code(""), RpcError::PARSE);
        assert_eq!(code("\u{fffd}"), RpcError::PARSE);
        for text in [
            "[]",
            "1",
            r#"{"id":1,"method":"x"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":1}"#,
        ] {
            assert_eq!(code(text), RpcError::INVALID_REQUEST, "{text}");
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#), -32602);
    }

    #[test]
    fn the_end_of_an_answer_goes_into_its_result() {
        let id = Id::of_number(7);
        let plain = response(&id, &json!({}), None).unwrap();
        assert_eq!(plain, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        let tail = Some(&br#""t":1"#[..]);
        assert_eq!(
            response(&id, &json!({}), tail).unwrap(),
            r#"{"jsonrpc":"2.0","id":7,"result":{"t":1}}"#
        );
        assert_eq!(
            response(&id, &json!({ "a": 2 }), tail).unwrap(),
            r#"{"jsonrpc":"2.0","id":7,"result":{"a":2,"t":1}}"#
        );
    }

    #[test]
    fn capabilities_are_those_that_are_named() {
        let capabilities = |json: Value| serde_json::from_value::<Capabilities>(json).unwrap();
        let none = Capabilities::default();
        assert_eq!(capabilities(json!({})), none);
        assert_eq!(
            capabilities(json!({ "elicitation": {} })),
            Capabilities { forms: true, ..none }
        );
        let urls = capabilities(json!({ "elicitation": { "url": {} }, "roots": {} }));
        assert_eq!(urls, Capabilities { urls: true, roots: true, ..none });
    }
}

//! Endpoints of HTTP as tools: called in process, with what the call brings to prove who calls.

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json, value::RawValue};
use tower_service::Service as _;

use super::{AnyTool, schema};
use crate::{
    error::{HttpError, Result},
    input::RequestContext,
    mcp::{
        about::{Common, Tool},
        content::Content,
        output::{OutputPlan, ToolResult},
    },
    openapi::Plan,
    schema::{Shape, lenient},
};

/// The longest answer of an endpoint that is given to a model.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What stays as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What goes with a request over a connection, or tells of its body, and not of its caller.
const NOT_PASSED_ON: [HeaderName; 14] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// An argument that HTTP requests repeat in a header.
#[derive(Debug)]
pub(in crate::mcp) struct ParameterHeader {
    pub(in crate::mcp) header: HeaderName,
    /// Where it is in the arguments.
    pub(in crate::mcp) path: Vec<String>,
}

/// How an endpoint is offered as a tool.
#[derive(Default)]
pub(crate) struct ToolOptions {
    pub(crate) change: Option<Box<dyn FnOnce(Tool) -> Tool + Send>>,
}

/// An endpoint as a tool.
pub(crate) struct EndpointTool {
    about: Tool,
    input: Value,
    output: OutputPlan,
    method: Method,
    /// Of axum.
    path: String,
    path_names: Vec<String>,
    query_names: Vec<String>,
    body: Option<BodyArguments>,
    router: axum::Router,
}

/// Where the body is in the arguments.
struct BodyArguments {
    shape: Shape,
    /// Its fields are arguments; else it is one, called `body`.
    is_spread: bool,
}

/// What is known of the route of an endpoint.
pub(crate) struct EndpointRoute<'a> {
    pub(crate) name: &'a str,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Its operation in the document, before that is finished.
    pub(crate) operation: &'a Map<String, Value>,
    pub(crate) router: axum::Router,
}

impl EndpointTool {
    /// What an endpoint is as a tool; notes a mistake if it can be none.
    pub(crate) fn new(
        options: ToolOptions,
        route: EndpointRoute<'_>,
        plan: &mut Plan,
    ) -> Option<Self> {
        let EndpointRoute { name, method, path, operation, router } = route;
        let mut properties = Map::new();
        let mut required = Vec::new();
        let (mut path_names, mut query_names) = (Vec::new(), Vec::new());
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten()
        {
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            match text("in") {
                "path" => path_names.push(text("name").to_owned()),
                "query" => query_names.push(text("name").to_owned()),
                // Headers and cookies are those of the call.
                place => {
                    if parameter.get("required") == Some(&Value::Bool(true)) {
                        let header = text("name");
                        tracing::warn!(
                            "tool `{name}`: clients have to be set up to send the {place} `{header}`"
                        );
                    }
                    continue;
                }
            }
            let mut schema = plan.components.expand(parameter.get("schema")?);
            if let (Some(description), Some(schema)) =
                (parameter.get("description"), schema.as_object_mut())
            {
                schema.insert("description".to_owned(), description.clone());
            }
            properties.insert(text("name").to_owned(), schema);
            if parameter.get("required") == Some(&Value::Bool(true)) {
                required.push(Value::from(text("name")));
            }
        }
        let body = match json_body(operation) {
            Ok(None) => None,
            Ok(Some(schema)) => {
                let schema = plan.components.expand(schema);
                let body = operation.get("requestBody");
                let is_required =
                    body.and_then(|body| body.get("required")) == Some(&Value::Bool(true));
                Some(add_body(schema, is_required, &mut properties, &mut required))
            }
            Err(mistake) => {
                plan.mistakes.push(format!("{method} {path}: {mistake}"));
                return None;
            }
        };
        let input = json!({ "type": "object", "properties": properties, "required": required });
        let output = answer_schema(operation).map(|schema| plan.components.expand(schema));
        let about = about(name, &method, operation);
        let about = match options.change {
            Some(change) => change(about),
            None => about,
        };
        Some(Self {
            about,
            input: schema::of_arguments(gather_definitions(input)),
            output: OutputPlan::of_schema(output),
            method,
            path,
            path_names,
            query_names,
            body,
            router,
        })
    }

    pub(super) fn into_parts(self) -> (Common, Map<String, Value>, Box<dyn AnyTool>) {
        let fields = self.about.fields(self.input.clone(), self.output.schema.clone());
        (self.about.common.clone(), fields, Box::new(self))
    }

    /// The request that a call comes to.
    fn request(
        &self,
        mut arguments: Map<String, Value>,
        cx: &RequestContext,
    ) -> Result<Request<Body>> {
        let mut target = self.path.clone();
        for name in &self.path_names {
            let missing = || HttpError::new(422, format!("{name}: Field required"));
            let value = as_text(&arguments.shift_remove(name).ok_or_else(missing)?);
            let is_rest = self.path.contains(&format!("{{*{name}}}"));
            let value = match is_rest {
                true => value.split('/').map(encoded).collect::<Vec<_>>().join("/"),
                false => encoded(&value),
            };
            target = target.replace(&format!("{{*{name}}}"), &value);
            target = target.replace(&format!("{{{name}}}"), &value);
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in &self.query_names {
            match arguments.shift_remove(name) {
                None | Some(Value::Null) => {}
                Some(Value::Array(values)) => {
                    for value in &values {
                        query.append_pair(name, &as_text(value));
                    }
                }
                Some(value) => _ = query.append_pair(name, &as_text(&value)),
            }
        }
        let query = query.finish();
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        let body = self.body.as_ref().and_then(|body| {
            let value = match body.is_spread {
                true => Value::Object(arguments),
                false => arguments.shift_remove("body")?,
            };
            Some(lenient::convert(&body.shape, value))
        });
        let uri = Uri::try_from(target).map_err(HttpError::internal)?;
        let content = match &body {
            Some(body) => Body::from(serde_json::to_vec(body)?),
            None => Body::empty(),
        };
        let mut request = Request::new(content);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = passed_on(cx.headers(), body.is_some());
        *request.extensions_mut() = cx.extensions().clone();
        Ok(request)
    }

    async fn run(&self, cx: &mut RequestContext) -> Result<ToolResult> {
        let bytes = cx.bytes().await?;
        let arguments = match bytes.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(&bytes)
                .map_err(|_| HttpError::new(422, "arguments: Input should be an object"))?,
        };
        let request = self.request(arguments, cx)?;
        let response = match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        self.result(response).await
    }

    async fn result(&self, response: Response<Body>) -> Result<ToolResult> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            let text = format!("The answer is longer than {ANSWER_BYTES_MAX} bytes, or broke off");
            HttpError::new(500, text).because(error)
        })?;
        let body = body.to_bytes();
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default();
        let is_json = kind.starts_with("application/json") || kind.contains("+json");
        if !head.status.is_success() {
            let text = match is_json.then(|| serde_json::from_slice::<Value>(&body)) {
                Some(Ok(answer)) => told(&answer),
                _ => String::from_utf8_lossy(&body).into_owned(),
            };
            let challenge = head.headers.get(header::WWW_AUTHENTICATE);
            if head.status == StatusCode::UNAUTHORIZED || challenge.is_some() {
                // The client has to say who it is, as HTTP tells it.
                let error = HttpError::new(head.status.as_u16(), text);
                return Err(match challenge {
                    Some(scheme) => error.header(header::WWW_AUTHENTICATE, scheme.clone()),
                    None => error,
                });
            }
            return Ok(ToolResult::error(format!("{}: {text}", head.status)));
        }
        if body.is_empty() {
            return Ok(ToolResult::new());
        }
        if is_json {
            let json: Box<RawValue> = serde_json::from_slice(&body)?;
            return Ok(self.output.result(json));
        }
        Ok(ToolResult::new().with(match kind.split('/').next() {
            Some("image") => Content::image(body, kind),
            Some("audio") => Content::audio(body, kind),
            _ => Content::text(String::from_utf8_lossy(&body)),
        }))
    }
}

impl AnyTool for EndpointTool {
    fn call<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<ToolResult>> {
        Box::pin(self.run(cx))
    }
}

/// What the operation says of itself, and its method of what it does.
fn about(name: &str, method: &Method, operation: &Map<String, Value>) -> Tool {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let texts: Vec<&str> = [text("summary"), text("description")].into_iter().flatten().collect();
    let about = Tool::new(name).description(texts.join("\n\n"));
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => about.read_only(true).idempotent(true),
        Method::DELETE => about.destructive(true).idempotent(true),
        Method::PUT => about.idempotent(true),
        _ => about,
    }
}

/// The schema of the body, if there is one that is JSON.
fn json_body(operation: &Map<String, Value>) -> Result<Option<&Value>, &'static str> {
    let content = operation.get("requestBody").and_then(|body| body.get("content"));
    let Some(content) = content else { return Ok(None) };
    let schema = content.get("application/json").and_then(|json| json.get("schema"));
    schema.map(Some).ok_or("as a tool it can have a body in JSON only")
}

/// The schema of what is answered, if that is JSON.
fn answer_schema(operation: &Map<String, Value>) -> Option<&Value> {
    let responses = operation.get("responses")?.as_object()?;
    let mut successes = responses.iter().filter(|(status, _)| status.starts_with('2'));
    // Where there may be another answer, no schema can be promised.
    let (Some((_, success)), None) = (successes.next(), successes.next()) else { return None };
    success.get("content")?.get("application/json")?.get("schema")
}

/// Adds the fields of a body to the arguments, or where that would not do the body itself.
fn add_body(
    schema: Value,
    is_required: bool,
    properties: &mut Map<String, Value>,
    required: &mut Vec<Value>,
) -> BodyArguments {
    let shape = Shape::compile(&schema);
    let tidy = schema::tidy(schema.clone());
    let fields = tidy.get("properties").and_then(Value::as_object);
    let fields = fields.filter(|fields| {
        let is_plain =
            !["anyOf", "oneOf", "allOf", "$defs"].iter().any(|key| tidy.get(key).is_some());
        is_required && is_plain && fields.keys().all(|name| !properties.contains_key(name))
    });
    match fields {
        Some(fields) => {
            properties.extend(fields.clone());
            let names = tidy.get("required").and_then(Value::as_array);
            required.extend(names.into_iter().flatten().cloned());
            BodyArguments { shape, is_spread: true }
        }
        None => {
            properties.insert("body".to_owned(), schema);
            if is_required {
                required.push("body".into());
            }
            BodyArguments { shape, is_spread: false }
        }
    }
}

/// Moves the definitions of all properties to where references look for them.
fn gather_definitions(mut schema: Value) -> Value {
    let mut definitions = Map::new();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut().filter_map(Value::as_object_mut) {
            if let Some(Value::Object(own)) = property.shift_remove("$defs") {
                definitions.extend(own);
            }
        }
    }
    if let (Some(schema), false) = (schema.as_object_mut(), definitions.is_empty()) {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    schema
}

/// The headers that say who calls.
fn passed_on(headers: &HeaderMap, has_body: bool) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        if !NOT_PASSED_ON.contains(name) && !name.as_str().starts_with("mcp-") {
            passed.append(name, value.clone());
        }
    }
    let json = HeaderValue::from_static("application/json");
    if has_body {
        passed.insert(header::CONTENT_TYPE, json.clone());
    }
    passed.insert(header::ACCEPT, json);
    passed
}

fn encoded(part: &str) -> String {
    utf8_percent_encode(part, PART).to_string()
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an error says: its detail, if it has the usual form.
fn told(answer: &Value) -> String {
    as_text(answer.get("detail").unwrap_or(answer))
}

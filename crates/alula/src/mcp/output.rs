//! What the functions of a server return.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Value, value::RawValue};

use super::{
    content::{Content, Contents, Message, Wire},
    registry::schema,
};
use crate::{
    error::{HttpError, Result},
    input::Json,
    openapi::{Contract, Generated},
};

/// What a tool gives: parts for the model to read, and a value for programs.
///
/// A tool that returns a plain value needs none of this.
///
/// ```
/// use alula::{mcp::{Content, ToolResult}, prelude::*};
///
/// /// Draw a chart.
/// #[tool]
/// async fn chart(points: Vec<f64>) -> Result<ToolResult> {
///     let image = Content::image(draw(&points), "image/png");
///     Ok(ToolResult::text("The chart").with(image).structured(&points.len())?)
/// }
/// # fn draw(_: &[f64]) -> Vec<u8> { vec![] }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ToolResult {
    pub(super) content: Vec<Content>,
    pub(super) structured: Option<Structured>,
    pub(super) is_error: bool,
}

/// A value for programs, as JSON.
#[derive(Debug, Clone)]
pub(super) struct Structured {
    json: Box<RawValue>,
    /// Whether it is the `result` of an object, as it is no object itself.
    is_wrapped: bool,
}

impl ToolResult {
    /// A result without any part.
    pub fn new() -> Self {
        Self::default()
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new().with(Content::text(text))
    }

    /// What went wrong, for the model to read and to do better.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, content: impl Into<Content>) -> Self {
        self.content.push(content.into());
        self
    }

    /// Adds a value for programs. What is no object becomes the `result` of one.
    ///
    /// # Errors
    ///
    /// 500 for a value that is no JSON.
    pub fn structured<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self> {
        let json = serde_json::value::to_raw_value(value)?;
        let is_wrapped = !json.get().starts_with('{');
        self.structured = Some(Structured { json, is_wrapped });
        Ok(self)
    }
}

impl From<Content> for ToolResult {
    fn from(content: Content) -> Self {
        Self::new().with(content)
    }
}

/// A result as it is sent. Where there are no parts, the value is one, as text.
impl Serialize for ToolResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { content, structured, is_error } = self;
        let mut map = serializer.serialize_map(None)?;
        match structured {
            Some(structured) if content.is_empty() => {
                let text = structured.as_text();
                map.serialize_entry("content", &[TextPart { kind: "text", text: &text }])?;
            }
            _ => map.serialize_entry("content", &Parts(content))?,
        }
        if let Some(structured) = structured {
            map.serialize_entry("structuredContent", structured)?;
        }
        if *is_error {
            map.serialize_entry("isError", &true)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct TextPart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

struct Parts<'a>(&'a [Content]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Wire))
    }
}

impl Structured {
    /// The JSON, or the text that it stands for.
    fn as_text(&self) -> std::borrow::Cow<'_, str> {
        let json = self.json.get();
        match json.starts_with('"').then(|| serde_json::from_str(json)) {
            Some(Ok(text)) => std::borrow::Cow::Owned(text),
            _ => json.into(),
        }
    }
}

impl Serialize for Structured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_wrapped {
            return self.json.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("result", &self.json)?;
        map.end()
    }
}

/// What a tool can return: any value that serde can write and schemars describe, a [`ToolResult`],
/// a [`Content`], or nothing.
///
/// A value is given to the model as JSON text and to programs as it is, with a schema. Texts,
/// numbers, lists and what else is no object become the `result` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a tool returns",
    note = "return a type with `#[derive(Serialize, JsonSchema)]`, a `ToolResult`, a `Content`, \
            `()`, or a `Result` of one of them"
)]
pub trait ToolOutput: Send {
    /// How it is sent, prepared once.
    #[doc(hidden)]
    fn plan() -> OutputPlan;

    /// Makes the result.
    ///
    /// # Errors
    ///
    /// 500 for a value that is no JSON.
    #[doc(hidden)]
    fn into_result(self, plan: &OutputPlan) -> Result<ToolResult>;
}

/// How what a tool returns is sent.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct OutputPlan {
    /// Of the value for programs, if it is known.
    pub(crate) schema: Option<Value>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// There is nothing to send.
    Nothing,
    /// An object, as it is.
    Object,
    /// The `result` of an object.
    Wrapped,
    /// Nobody knows before it is there.
    Unknown,
}

/// Nothing is known of it before it is there.
const UNKNOWN: OutputPlan = OutputPlan { schema: None, form: Form::Unknown };

impl OutputPlan {
    /// For values of a schema, if that is known.
    pub(crate) fn of_schema(schema: Option<Value>) -> Self {
        let Some(schema) = schema.map(schema::tidy) else { return UNKNOWN };
        match schema.get("type") {
            Some(kind) if kind == "null" => Self { schema: None, form: Form::Nothing },
            Some(kind) if kind == "object" => Self { schema: Some(schema), form: Form::Object },
            _ if schema::is_anything(&schema) => UNKNOWN,
            _ => Self { schema: Some(schema::wrapped(schema)), form: Form::Wrapped },
        }
    }

    /// A value, as JSON.
    pub(super) fn result(&self, json: Box<RawValue>) -> ToolResult {
        let is_wrapped = match self.form {
            Form::Nothing => return ToolResult::new(),
            Form::Unknown => !json.get().starts_with('{'),
            form => form == Form::Wrapped,
        };
        let structured = Some(Structured { json, is_wrapped });
        ToolResult { structured, ..ToolResult::new() }
    }
}

impl<T: Serialize + JsonSchema + Send> ToolOutput for T {
    fn plan() -> OutputPlan {
        let generated = Generated::of::<T>(Contract::Output);
        OutputPlan::of_schema(Some(generated.with_definitions()))
    }

    fn into_result(self, plan: &OutputPlan) -> Result<ToolResult> {
        Ok(plan.result(serde_json::value::to_raw_value(&self)?))
    }
}

impl ToolOutput for ToolResult {
    fn plan() -> OutputPlan {
        UNKNOWN
    }

    fn into_result(self, _: &OutputPlan) -> Result<ToolResult> {
        Ok(self)
    }
}

impl ToolOutput for Content {
    fn plan() -> OutputPlan {
        UNKNOWN
    }

    fn into_result(self, _: &OutputPlan) -> Result<ToolResult> {
        Ok(self.into())
    }
}

impl<T: Serialize + JsonSchema + Send> ToolOutput for Json<T> {
    fn plan() -> OutputPlan {
        T::plan()
    }

    fn into_result(self, plan: &OutputPlan) -> Result<ToolResult> {
        self.0.into_result(plan)
    }
}

/// What a resource can return: text, bytes, [`Json`], or [`Contents`] with URIs of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a resource returns",
    note = "return `String`, `Vec<u8>`, `Bytes`, `Json<T>`, `Contents`, `Vec<Contents>`, or a \
            `Result` of one of them"
)]
pub trait ResourceOutput: Send {
    /// The media type, where the resource says none.
    #[doc(hidden)]
    const MIME_TYPE: Option<&'static str>;

    /// What was read at a URI, of a media type.
    ///
    /// # Errors
    ///
    /// 500 for a value that is no JSON.
    #[doc(hidden)]
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Result<Vec<Contents>>;
}

fn one(contents: Contents, mime_type: Option<&str>) -> Vec<Contents> {
    vec![match mime_type {
        Some(mime_type) => contents.mime_type(mime_type),
        None => contents,
    }]
}

macro_rules! resource_output {
    ($($Type:ty: $mime_type:literal $make:ident),*) => {$(
        impl ResourceOutput for $Type {
            const MIME_TYPE: Option<&'static str> = Some($mime_type);

            fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Result<Vec<Contents>> {
                Ok(one(Contents::$make(uri, self), mime_type))
            }
        }
    )*};
}

resource_output! {
    String: "text/plain" text,
    &'static str: "text/plain" text,
    Vec<u8>: "application/octet-stream" bytes,
    Bytes: "application/octet-stream" bytes
}

impl<T: Serialize + Send> ResourceOutput for Json<T> {
    const MIME_TYPE: Option<&'static str> = Some("application/json");

    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Result<Vec<Contents>> {
        let text = serde_json::to_string(&self.0)?;
        Ok(one(Contents::text(uri, text), mime_type.or(Self::MIME_TYPE)))
    }
}

impl ResourceOutput for Contents {
    const MIME_TYPE: Option<&'static str> = None;

    fn into_contents(self, _: &str, _: Option<&str>) -> Result<Vec<Contents>> {
        Ok(vec![self])
    }
}

impl ResourceOutput for Vec<Contents> {
    const MIME_TYPE: Option<&'static str> = None;

    fn into_contents(self, _: &str, _: Option<&str>) -> Result<Vec<Contents>> {
        match self.is_empty() {
            // The protocol has no resource without contents.
            true => Err(HttpError::not_found("The resource is empty")),
            false => Ok(self),
        }
    }
}

/// What a prompt can return: what the user says as text, a [`Content`], a [`Message`], or several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a prompt returns",
    note = "return `String`, `Content`, `Message`, `Vec<Message>`, or a `Result` of one of them"
)]
pub trait PromptOutput: Send {
    /// The messages.
    #[doc(hidden)]
    fn into_messages(self) -> Vec<Message>;
}

macro_rules! prompt_output {
    ($($Type:ty),*) => {$(
        impl PromptOutput for $Type {
            fn into_messages(self) -> Vec<Message> {
                vec![Message::user(self)]
            }
        }
    )*};
}

prompt_output!(String, &'static str, Content);

impl PromptOutput for Message {
    fn into_messages(self) -> Vec<Message> {
        vec![self]
    }
}

impl PromptOutput for Vec<Message> {
    fn into_messages(self) -> Vec<Message> {
        self
    }
}

impl<const COUNT: usize> PromptOutput for [Message; COUNT] {
    fn into_messages(self) -> Vec<Message> {
        self.into()
    }
}

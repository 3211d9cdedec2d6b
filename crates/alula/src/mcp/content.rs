//! What tools give and prompts say, beside plain values.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

/// A part of what a tool gives, or of a message: text, an image, a sound, a resource.
///
/// ```
/// use alula::mcp::Content;
///
/// let parts = [
///     Content::text("A pixel:"),
///     Content::image([0x89, b'P', b'N', b'G'], "image/png").priority(0.5),
///     Content::link("docs://7", "The report"),
/// ];
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    kind: Kind,
    annotations: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// The usual one, without a map.
    Text(String),
    Other(Map<String, Value>),
}

impl Content {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text(text.into()), annotations: Map::new() }
    }

    /// An image of a media type such as `image/png`.
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::binary("image", bytes.as_ref(), &mime_type.into())
    }

    /// A sound of a media type such as `audio/wav`.
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::binary("audio", bytes.as_ref(), &mime_type.into())
    }

    /// A resource, in full.
    pub fn resource(contents: Contents) -> Self {
        let kind = ("type".to_owned(), "resource".into());
        let fields = Map::from_iter([kind, ("resource".to_owned(), contents.0.into())]);
        Self { kind: Kind::Other(fields), annotations: Map::new() }
    }

    /// A resource that the client may read, by its URI and its name.
    pub fn link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self::other(json!({ "type": "resource_link", "uri": uri.into(), "name": name.into() }))
    }

    /// How much it matters, from 0 to 1.
    #[must_use]
    pub fn priority(mut self, priority: f64) -> Self {
        self.annotations.insert("priority".to_owned(), priority.clamp(0.0, 1.0).into());
        self
    }

    /// For whom it is; both the user and the model, unless it is said.
    #[must_use]
    pub fn audience(mut self, role: Role) -> Self {
        self.annotations.insert("audience".to_owned(), json!([role.as_str()]));
        self
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Other(_) => None,
        }
    }

    fn binary(kind: &str, bytes: &[u8], mime_type: &str) -> Self {
        Self::other(json!({ "type": kind, "data": STANDARD.encode(bytes), "mimeType": mime_type }))
    }

    fn other(value: Value) -> Self {
        let fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { kind: Kind::Other(fields), annotations: Map::new() }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// A content as it is sent. [`Content`] itself is no plain value, so that a tool which returns one
/// is not taken for one that returns a struct.
pub(super) struct Wire<'a>(pub(super) &'a Content);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Content { kind, annotations } = self.0;
        let mut map = serializer.serialize_map(None)?;
        match kind {
            Kind::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text)?;
            }
            Kind::Other(fields) => {
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        if !annotations.is_empty() {
            map.serialize_entry("annotations", annotations)?;
        }
        map.end()
    }
}

/// What a resource, or a part of it, holds.
///
/// ```
/// use alula::mcp::Contents;
///
/// let page = Contents::text("docs://7", "# Report").mime_type("text/markdown");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Contents(pub(super) Map<String, Value>);

impl Contents {
    /// Text at a URI.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(uri.into(), "text", text.into(), "text/plain")
    }

    /// Bytes at a URI.
    pub fn bytes(uri: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let blob = STANDARD.encode(bytes.as_ref());
        Self::of(uri.into(), "blob", blob, "application/octet-stream")
    }

    /// Of a media type; `text/plain` or `application/octet-stream` unless it is said.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.0.insert("mimeType".to_owned(), mime_type.into().into());
        self
    }

    fn of(uri: String, key: &str, value: String, mime_type: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("uri".to_owned(), uri.into());
        fields.insert("mimeType".to_owned(), mime_type.into());
        fields.insert(key.to_owned(), value.into());
        Self(fields)
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    role: Role,
    content: Content,
}

impl Message {
    /// What the user says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// What the model has said.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// A message as it is sent.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("role", self.role.as_str())?;
        map.serialize_entry("content", &Wire(&self.content))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(content: &Content) -> Value {
        serde_json::to_value(Wire(content)).unwrap()
    }

    #[test]
    fn contents_are_sent_as_the_protocol_has_them() {
        assert_eq!(sent(&Content::text("hi")), json!({ "type": "text", "text": "hi" }));
        let image = Content::image([1, 2, 3], "image/png").audience(Role::User).priority(2.0);
        let annotations = json!({ "audience": ["user"], "priority": 1.0 });
        let expected = json!({
            "type": "image", "data": "AQID", "mimeType": "image/png", "annotations": annotations,
        });
        assert_eq!(sent(&image), expected);
        let resource = Content::resource(Contents::bytes("a://b", [0]).mime_type("x/y"));
        let expected = json!({ "uri": "a://b", "mimeType": "x/y", "blob": "AA==" });
        assert_eq!(sent(&resource), json!({ "type": "resource", "resource": expected }));
    }

    #[test]
    fn a_message_has_a_role_and_a_content() {
        let message = serde_json::to_value(Message::assistant("yes")).unwrap();
        let content = json!({ "type": "text", "text": "yes" });
        assert_eq!(message, json!({ "role": "assistant", "content": content }));
    }
}

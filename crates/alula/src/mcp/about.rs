//! What clients are told of tools, resources and prompts.

use std::fmt;

use serde_json::{Map, Value, json};

use super::complete::Completer;

/// What tools, resources and prompts have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) icons: Vec<Icon>,
    pub(super) tags: Vec<String>,
    pub(super) scopes: Vec<String>,
}

impl Common {
    fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// What every client reads.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), self.name.clone().into());
        if let Some(title) = &self.title {
            fields.insert("title".to_owned(), title.clone().into());
        }
        if let Some(description) = &self.description {
            fields.insert("description".to_owned(), description.clone().into());
        }
        if !self.icons.is_empty() {
            fields.insert("icons".to_owned(), icons(&self.icons));
        }
        fields
    }
}

macro_rules! common {
    ($Type:ident) => {
        impl $Type {
            /// What people read instead of the name.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.common.title = Some(title.into());
                self
            }

            /// What it is for, and when to use it: models choose by it.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.common.description = Some(description.into());
                self
            }

            /// Adds an icon.
            #[must_use]
            pub fn icon(mut self, icon: Icon) -> Self {
                self.common.icons.push(icon);
                self
            }

            /// Adds a tag, by which callers see it or do not; see [`Access`](super::Access).
            #[must_use]
            pub fn tag(mut self, tag: impl Into<String>) -> Self {
                self.common.tags.push(tag.into());
                self
            }

            /// Demands a scope of those who see it; see [`Access`](super::Access).
            #[must_use]
            pub fn scope(mut self, scope: impl Into<String>) -> Self {
                self.common.scopes.push(scope.into());
                self
            }
        }
    };
}

/// What clients are told of a tool; `#[tool]` makes it.
///
/// ```
/// use alula::mcp::Tool;
///
/// let about = Tool::new("delete_document").title("Delete").destructive(true).tag("admin");
/// ```
#[derive(Debug, Clone)]
pub struct Tool {
    pub(super) common: Common,
    hints: Vec<(&'static str, bool)>,
}

common!(Tool);

impl Tool {
    /// A tool with a name of letters, digits, `_`, `-` and `.`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { common: Common::new(name.into()), hints: Vec::new() }
    }

    /// Another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.common.name = name.into();
        self
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn read_only(self, is_read_only: bool) -> Self {
        self.hint("readOnlyHint", is_read_only)
    }

    /// Whether it may destroy something, if it changes anything; clients think so unless it is said.
    #[must_use]
    pub fn destructive(self, is_destructive: bool) -> Self {
        self.hint("destructiveHint", is_destructive)
    }

    /// Whether a repeated call changes nothing more.
    #[must_use]
    pub fn idempotent(self, is_idempotent: bool) -> Self {
        self.hint("idempotentHint", is_idempotent)
    }

    /// Whether it deals with the world outside, such as the web; clients think so unless it is said.
    #[must_use]
    pub fn open_world(self, is_open: bool) -> Self {
        self.hint("openWorldHint", is_open)
    }

    fn hint(mut self, name: &'static str, value: bool) -> Self {
        self.hints.retain(|(known, _)| *known != name);
        self.hints.push((name, value));
        self
    }

    pub(super) fn fields(&self, input: Value, output: Option<Value>) -> Map<String, Value> {
        let mut fields = self.common.fields();
        fields.insert("inputSchema".to_owned(), input);
        if let Some(output) = output {
            fields.insert("outputSchema".to_owned(), output);
        }
        if !self.hints.is_empty() {
            let hints =
                self.hints.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
            fields.insert("annotations".to_owned(), Value::Object(hints.collect()));
        }
        fields
    }
}

/// What clients are told of a resource; `#[resource]` makes it.
#[derive(Debug)]
pub struct Resource {
    pub(super) common: Common,
    pub(super) uri: String,
    pub(super) mime_type: Option<String>,
    pub(super) completers: Vec<(String, Completer)>,
}

common!(Resource);

impl Resource {
    /// A resource with a URI, or with a template of URIs, and a name.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        let (common, uri) = (Common::new(name.into()), uri.into());
        Self { common, uri, mime_type: None, completers: Vec::new() }
    }

    /// Of a media type, where what the function returns does not say it.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Completes a value of the template for whoever types it.
    #[must_use]
    pub fn complete(mut self, argument: impl Into<String>, completer: Completer) -> Self {
        self.completers.push((argument.into(), completer));
        self
    }
}

/// What clients are told of a prompt; `#[prompt]` makes it.
#[derive(Debug)]
pub struct Prompt {
    pub(super) common: Common,
    pub(super) completers: Vec<(String, Completer)>,
}

common!(Prompt);

impl Prompt {
    /// A prompt with a name of letters, digits, `_`, `-` and `.`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { common: Common::new(name.into()), completers: Vec::new() }
    }

    /// Completes an argument for whoever types it.
    #[must_use]
    pub fn complete(mut self, argument: impl Into<String>, completer: Completer) -> Self {
        self.completers.push((argument.into(), completer));
        self
    }
}

/// An icon, by a URL or a `data:` URI.
///
/// ```
/// use alula::mcp::Icon;
///
/// let icon = Icon::new("https://example.com/icon.png").mime_type("image/png").size("48x48");
/// ```
#[derive(Clone)]
pub struct Icon(Map<String, Value>);

impl Icon {
    /// The icon at a URL.
    pub fn new(src: impl Into<String>) -> Self {
        Self(Map::from_iter([("src".to_owned(), src.into().into())]))
    }

    /// Of a media type.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.0.insert("mimeType".to_owned(), mime_type.into().into());
        self
    }

    /// Of a size such as `48x48`, or `any`.
    #[must_use]
    pub fn size(mut self, size: impl Into<String>) -> Self {
        if let Some(sizes) = self.0.entry("sizes").or_insert_with(|| json!([])).as_array_mut() {
            sizes.push(size.into().into());
        }
        self
    }
}

impl From<&str> for Icon {
    fn from(src: &str) -> Self {
        Self::new(src)
    }
}

impl fmt::Debug for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Icon").field(&self.0.get("src")).finish()
    }
}

pub(super) fn icons(icons: &[Icon]) -> Value {
    icons.iter().map(|icon| Value::Object(icon.0.clone())).collect()
}

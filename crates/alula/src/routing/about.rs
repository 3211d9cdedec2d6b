//! What the document says about a route beyond its types.

use serde_json::{Map, Value};

use super::Route;
use crate::openapi::{Example, link};

/// What the document says about a route beyond its types.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) response_description: Option<String>,
    pub(crate) operation_id: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) hidden: bool,
    pub(crate) external_docs: Option<Value>,
    /// Examples of the request body, by name.
    pub(crate) examples: Vec<(String, Example)>,
    pub(crate) response_examples: Vec<(u16, String, Example)>,
    /// Merged into the operation at last.
    pub(crate) extra: Vec<Value>,
}

/// A request that the server sends to a URL which it learned by an operation.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) name: String,
    /// Where the URL comes from.
    pub(crate) expression: String,
    pub(crate) route: Route,
}

impl Route {
    /// Names the endpoint; its operation id is made from the name. By default the function's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.meta.name = name.into();
        self
    }

    /// The line that lists of operations show.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.meta.summary = Some(summary.into());
        self
    }

    /// The text of the operation, in Markdown.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.meta.description = Some(description.into());
        self
    }

    /// The text of the successful answer.
    pub fn response_description(mut self, description: impl Into<String>) -> Self {
        self.meta.response_description = Some(description.into());
        self
    }

    /// Adds a tag, by which the documentation groups operations.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.meta.tags.push(tag.into());
        self
    }

    /// Sets the operation id, by which generated clients name their methods.
    pub fn operation_id(mut self, id: impl Into<String>) -> Self {
        self.meta.operation_id = Some(id.into());
        self
    }

    /// Marks the operation as deprecated.
    pub fn deprecated(mut self) -> Self {
        self.meta.deprecated = true;
        self
    }

    /// Leaves the operation out of the document.
    pub fn hidden(mut self) -> Self {
        self.meta.hidden = true;
        self
    }

    /// Links to more documentation; an empty description is left out.
    pub fn external_docs(mut self, url: impl Into<String>, description: impl Into<String>) -> Self {
        self.meta.external_docs = Some(link(url, description));
        self
    }

    /// Adds an example of the request body; see [`Example`].
    pub fn example(mut self, name: impl Into<String>, example: impl Into<Example>) -> Self {
        self.meta.examples.push((name.into(), example.into()));
        self
    }

    /// Adds an example of the answer with a status; see [`Example`].
    pub fn response_example(
        mut self,
        status: u16,
        name: impl Into<String>,
        example: impl Into<Example>,
    ) -> Self {
        self.meta.response_examples.push((status, name.into(), example.into()));
        self
    }

    /// Adds an extension to the operation, whose name begins with `x-`.
    pub fn extension(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.openapi_extra(Value::Object(Map::from_iter([(name.into(), value.into())])))
    }

    /// Merges an object into the operation of the document: objects are merged, lists joined,
    /// anything else replaced. Nothing checks that it is true.
    pub fn openapi_extra(mut self, extra: Value) -> Self {
        self.meta.extra.push(extra);
        self
    }

    /// Describes a request that this operation makes the server send, to a URL which it learned
    /// from this one.
    ///
    /// `expression` says where the URL is, as a runtime expression of OpenAPI. The route only
    /// describes: its function is never called, and its path is put behind the URL.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// #[derive(Serialize, Deserialize, JsonSchema, Validate)]
    /// struct Work {
    ///     callback_url: String,
    /// }
    ///
    /// /// What we tell you when it is done.
    /// async fn done(Json(_result): Json<String>) {}
    ///
    /// async fn start(Json(_work): Json<Work>) -> Status<202, ()> {
    ///     Status(())
    /// }
    ///
    /// let route = post("/work", start)
    ///     .callback("done", "{$request.body#/callback_url}", post("", done));
    /// ```
    pub fn callback(
        mut self,
        name: impl Into<String>,
        expression: impl Into<String>,
        route: Self,
    ) -> Self {
        let (name, expression) = (name.into(), expression.into());
        self.callbacks.push(Callback { name, expression, route });
        self
    }
}

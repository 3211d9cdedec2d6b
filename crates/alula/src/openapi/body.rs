//! The request body of an operation.

use std::any::{TypeId, type_name};

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{Operation, Root};
use crate::{
    input::FormLimits,
    schema::{Names, TextShape},
};

/// What the inputs of an operation say of its body.
#[derive(Debug, Default)]
pub(super) struct RequestBody {
    content: Map<String, Value>,
    /// What an input that takes any bytes says; it counts where no other says more.
    raw: Option<(&'static str, Value)>,
    form_limits: FormLimits,
    /// The dependency whose inputs are planned; `None` for those of the endpoint itself.
    within: Option<TypeId>,
    reader: Option<Reader>,
}

/// Who reads the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Inputs that share it in one piece.
    Sharing,
    /// The one that has it as it arrives: a dependency, which is resolved once, or the endpoint.
    Alone { within: Option<TypeId>, input: TypeId },
}

impl RequestBody {
    pub(super) fn new(form_limits: FormLimits) -> Self {
        Self { form_limits, ..Self::default() }
    }

    pub(super) fn form_limits(&self) -> FormLimits {
        self.form_limits
    }

    /// The request body object, if there is a body.
    pub(super) fn finish(self) -> Option<Value> {
        if !self.content.is_empty() {
            return Some(json!({ "required": true, "content": self.content }));
        }
        let (media_type, schema) = self.raw?;
        Some(json!({ "required": false, "content": { media_type: { "schema": schema } } }))
    }
}

impl Operation<'_> {
    /// Describes the request body, which [`RequestContext::bytes`](crate::RequestContext::bytes)
    /// then reads.
    pub fn request_body(&mut self, media_type: &str, root: &Root) {
        self.body_reader(Reader::Sharing);
        self.body_content(media_type, root);
    }

    /// Describes a body of any bytes, or text, that is not looked into.
    pub(crate) fn raw_body(&mut self, media_type: &'static str, schema: Value) {
        self.body_reader(Reader::Sharing);
        self.body.raw.get_or_insert((media_type, schema));
    }

    /// Describes a body of any bytes that the input `I` has as it arrives.
    pub(crate) fn streamed_body<I: 'static>(&mut self, media_type: &'static str, schema: Value) {
        self.body_read_by::<I>();
        self.body.raw.get_or_insert((media_type, schema));
    }

    /// Describes a form whose fields are those of `T`, which the input `I` has as it arrives, and
    /// prepares its reading.
    pub(crate) fn form<T: JsonSchema, I: 'static>(
        &mut self,
        media_type: &str,
        takes_files: bool,
    ) -> TextShape {
        let root = self.input_schema::<T>();
        self.body_read_by::<I>();
        self.body_content(media_type, &root);
        let shape = TextShape::new(&root.generated.with_definitions(), Names::Form);
        self.warn(shape.warnings());
        let type_name = type_name::<T>();
        if root.generated.values_by_position().is_some() {
            self.mistake(format!(
                "`{type_name}` cannot be read from a form; use a struct whose fields are those of \
                 the form"
            ));
        }
        if !takes_files && shape.holds_files() {
            self.mistake(format!(
                "`{type_name}` holds an `UploadFile`, so it is read with `Multipart<{type_name}>`"
            ));
        }
        shape
    }

    /// The limits of forms.
    pub(crate) fn form_limits(&self) -> FormLimits {
        self.body.form_limits
    }

    /// Sets the limits of forms.
    pub(crate) fn with_form_limits(mut self, limits: FormLimits) -> Self {
        self.body.form_limits = limits;
        self
    }

    /// Plans the inputs of a dependency.
    pub(crate) fn within<D: 'static, T>(&mut self, plan: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.body.within.replace(TypeId::of::<D>());
        let planned = plan(self);
        self.body.within = outer;
        planned
    }

    /// A file can be in nothing but a form.
    pub(super) fn check_for_files<T>(&mut self, holds_files: bool) {
        if holds_files {
            let type_name = type_name::<T>();
            self.mistake(format!(
                "`{type_name}` holds an `UploadFile`, which only `Multipart<T>` can read"
            ));
        }
    }

    fn body_content(&mut self, media_type: &str, root: &Root) {
        let content = json!({ "schema": root.document });
        match self.body.content.get(media_type) {
            Some(known) if *known != content => {
                self.mistake("the endpoint and its dependencies read the body as two types");
            }
            _ => {
                self.body.content.insert(media_type.to_owned(), content);
            }
        }
        self.unprocessable();
    }

    fn body_read_by<I: 'static>(&mut self) {
        let within = self.body.within;
        self.body_reader(Reader::Alone { within, input: TypeId::of::<I>() });
    }

    fn body_reader(&mut self, reader: Reader) {
        self.needs_request("a body");
        #[cfg(feature = "mcp")]
        if self.mcp.is_some() {
            self.mistake("it reads a body, but is called over MCP with arguments");
        }
        #[cfg(feature = "ws")]
        self.expect_no_socket();
        let again = match reader {
            Reader::Sharing => true,
            // The dependency is planned wherever it is used, but resolved once.
            Reader::Alone { within, .. } => within.is_some(),
        };
        match self.body.reader {
            None => self.body.reader = Some(reader),
            Some(known) if known == reader && again => {}
            Some(_) => self.mistake(
                "a form or a stream has the request body to itself, but two inputs of the \
                 endpoint and its dependencies read it; let one dependency read it for all",
            ),
        }
    }
}

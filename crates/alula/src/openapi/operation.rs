//! One operation while it is described.

use std::{any::type_name, fmt::Display, sync::Arc};

use http::StatusCode;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{
    body::RequestBody,
    generated::{Contract, Generated},
    plan::Plan,
    security::Security,
};
use crate::{
    dependency::{Dependency, Resolver, Slots},
    error::{AnyFormat, FastApi},
    schema::{Names, Shape, TextShape},
};

/// Where a parameter is, in the order in which parameters are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query string.
    Query,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
}

impl Place {
    /// How parameters there are named.
    fn names<'a>(self, path_names: &'a [&'a str]) -> Names<'a> {
        match self {
            Self::Path => Names::Path(path_names),
            Self::Header => Names::Header,
            Self::Query | Self::Cookie => Names::AsIs,
        }
    }

    /// The word for it in OpenAPI and in error locations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// The response that stands for all statuses which have none.
pub(crate) const DEFAULT: &str = "default";

/// The schema of a type as it is read, with everything it refers to.
#[derive(Debug)]
pub struct Root {
    pub(super) generated: Generated,
    pub(super) document: Value,
}

/// One endpoint of an application that is being built.
///
/// Inputs and outputs describe themselves here, and prepare what they need at run time.
pub struct Operation<'a> {
    pub(super) plan: &'a mut Plan,
    /// `POST /chat`, for messages.
    title: &'a str,
    /// The names in the path template, in order.
    path_names: &'a [String],
    lax: bool,
    /// Whether it is a job, for which there is no request.
    pub(super) is_job: bool,
    /// What a function that is called over MCP says of its arguments.
    #[cfg(feature = "mcp")]
    pub(super) mcp: Option<super::mcp::McpParts>,
    #[cfg(feature = "ws")]
    pub(super) socket: super::socket::Socket,
    parameters: Vec<Parameter>,
    pub(super) body: RequestBody,
    pub(super) responses: Map<String, Value>,
    pub(super) security: Security,
    error_format: Arc<dyn AnyFormat>,
}

/// A parameter and its entry in the document.
struct Parameter {
    place: Place,
    name: String,
    entry: Map<String, Value>,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(
        plan: &'a mut Plan,
        title: &'a str,
        path_names: &'a [String],
        lax: bool,
    ) -> Self {
        Self {
            plan,
            title,
            path_names,
            lax,
            is_job: false,
            #[cfg(feature = "mcp")]
            mcp: None,
            #[cfg(feature = "ws")]
            socket: super::socket::Socket::default(),
            parameters: Vec::new(),
            body: RequestBody::default(),
            responses: Map::new(),
            security: Security::default(),
            error_format: Arc::new(FastApi),
        }
    }

    /// `POST /chat`.
    pub(super) fn title(&self) -> &str {
        self.title
    }

    pub(super) fn error_format(&self) -> Arc<dyn AnyFormat> {
        self.error_format.clone()
    }

    pub(crate) fn set_error_format(&mut self, format: Arc<dyn AnyFormat>) {
        self.error_format = format;
    }

    /// Notes a mistake in the program; the application will not start, and say this.
    pub fn mistake(&mut self, what: impl Display) {
        self.plan.mistakes.push(format!("{}: {what}", self.title));
    }

    /// The status of an answer; notes a mistake if no answer can have it.
    pub(crate) fn final_status(&mut self, status: u16) -> StatusCode {
        match StatusCode::from_u16(status) {
            Ok(valid) if (200..600).contains(&status) => valid,
            _ => {
                self.mistake(format!("{status} is not an HTTP status of an answer"));
                StatusCode::OK
            }
        }
    }

    /// Whether JSON values are converted where that is plainly meant (`"4"` to 4).
    pub fn is_lax(&self) -> bool {
        self.lax
    }

    /// The schema of what is read as `T`.
    pub fn input_schema<T: JsonSchema>(&mut self) -> Root {
        let generated = Generated::of::<T>(Contract::Input);
        let document = self.add::<T>(&generated, Contract::Input);
        Root { generated, document }
    }

    /// The schema of what is written as `T`.
    pub fn output_schema<T: JsonSchema>(&mut self) -> Value {
        let generated = Generated::of::<T>(Contract::Output);
        self.add::<T>(&generated, Contract::Output)
    }

    fn add<T: JsonSchema>(&mut self, generated: &Generated, contract: Contract) -> Value {
        self.plan.components.add::<T>(generated, contract).unwrap_or_else(|mistake| {
            self.mistake(mistake);
            json!({})
        })
    }

    /// Prepares a schema for checking values.
    pub(crate) fn compile<T>(&mut self, root: &Root) -> Shape {
        let shape = Shape::compile(&root.generated.with_definitions());
        self.warn(shape.warnings());
        self.check_for_files::<T>(shape.holds_files());
        shape
    }

    pub(super) fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            tracing::warn!("{}: {warning}", self.title);
        }
    }

    /// Describes the fields of `T` as parameters and prepares their reading.
    pub(crate) fn parameters<T: JsonSchema>(&mut self, place: Place) -> TextShape {
        self.needs_request(format!("`{}` from {} parameters", type_name::<T>(), place.as_str()));
        let generated = Generated::of::<T>(Contract::Input);
        let path_names: Vec<&str> = self.path_names.iter().map(String::as_str).collect();
        let shape = TextShape::new(&generated.with_definitions(), place.names(&path_names));
        self.warn(shape.warnings());
        self.check_form::<T>(place, &generated);
        self.check_for_files::<T>(shape.holds_files());
        for parameter in shape.parameters() {
            let generated = Generated {
                schema: parameter.schema.clone(),
                definitions: generated.definitions.clone(),
            };
            let mut schema = self.add::<T>(&generated, Contract::Input);
            let mut entry = Map::new();
            entry.insert("name".to_owned(), parameter.name.clone().into());
            entry.insert("in".to_owned(), place.as_str().into());
            let required = place == Place::Path || parameter.required;
            entry.insert("required".to_owned(), required.into());
            // What is said of the parameter moves up to it.
            for keyword in ["description", "deprecated"] {
                entry
                    .extend(schema.as_object_mut().and_then(|schema| schema.remove_entry(keyword)));
            }
            entry.insert("schema".to_owned(), schema);
            if place == Place::Path {
                self.path_parameter::<T>(&parameter.name);
            }
            self.add_parameter(Parameter { place, name: parameter.name.clone(), entry });
        }
        self.unprocessable();
        shape
    }

    /// Parameters are the fields of a struct; those of a path may also stand by themselves.
    fn check_form<T>(&mut self, place: Place, generated: &Generated) {
        let Some(count) = generated.values_by_position() else { return };
        let (type_name, known) = (type_name::<T>(), self.path_names.len());
        if place != Place::Path {
            let place = place.as_str();
            self.mistake(format!(
                "`{type_name}` cannot be read from {place} parameters; use a struct whose fields \
                 are the parameters"
            ));
        } else if count != known {
            self.mistake(format!(
                "`Path<{type_name}>` reads {count} of the {known} values of the path; read them \
                 all with a tuple, or some by name with a struct"
            ));
        }
    }

    /// Two dependencies may read the same parameter; it is described once.
    fn add_parameter(&mut self, parameter: Parameter) {
        let same =
            |known: &Parameter| known.place == parameter.place && known.name == parameter.name;
        if !self.parameters.iter().any(same) {
            self.parameters.push(parameter);
        }
    }

    fn path_parameter<T>(&mut self, name: &str) {
        if !self.path_names.iter().any(|known| known == name) {
            let type_name = type_name::<T>();
            self.mistake(format!(
                "`Path<{type_name}>` reads `{name}`, which the path does not have"
            ));
        }
    }

    pub(super) fn unprocessable(&mut self) {
        let format = self.error_format.clone();
        let schema = format.schema(self, true);
        self.response(422, "Validation Error", Some((format.media_type(), schema)));
    }

    /// A state of the application; without it the application does not start.
    pub(crate) fn state<T: ?Sized + Send + Sync + 'static>(&mut self) -> Option<Arc<T>> {
        let state = self.plan.states.get::<T>();
        if state.is_none() && !self.plan.may_lack_states {
            let name = type_name::<T>();
            self.mistake(format!(
                "it uses `State<{name}>`, but the app has no such state; add `.state(…)`"
            ));
        }
        state
    }

    /// The limits of dependencies, which all operations share.
    pub(crate) fn slots(&mut self) -> &mut Slots {
        &mut self.plan.slots
    }

    /// What takes the place of a dependency in this application.
    pub(crate) fn replacement<D: Dependency>(&mut self) -> Option<Arc<dyn Resolver<D::Value>>> {
        let make = self.plan.overrides.get::<D>()?;
        let (title, path_names, lax) = (self.title, self.path_names, self.lax);
        let is_job = self.is_job;
        #[cfg(feature = "mcp")]
        let mcp = self.mcp.as_ref().map(|_| super::mcp::McpParts::default());
        // It may read the scopes that the endpoint demands.
        let security = self.security.for_replacement();
        let body = RequestBody::new(self.body.form_limits());
        let make = |plan: &mut Plan| {
            let blank = Operation::new(plan, title, path_names, lax);
            make(&mut Operation {
                security,
                body,
                is_job,
                #[cfg(feature = "mcp")]
                mcp,
                ..blank
            })
        };
        Some(self.plan.undocumented(make))
    }

    /// The finished entries of the operation object.
    pub(crate) fn finish(mut self) -> Map<String, Value> {
        let format = self.error_format.clone();
        let schema = format.schema(&mut self, false);
        let content = json!({ format.media_type(): { "schema": schema } });
        let default = json!({ "description": "Error", "content": content });
        self.responses.insert(DEFAULT.to_owned(), default);
        // A parameter of the path must be declared, also where no input reads it.
        for name in self.path_names {
            let entry = Map::from_iter([
                ("name".to_owned(), Value::from(name.as_str())),
                ("in".to_owned(), "path".into()),
                ("required".to_owned(), true.into()),
                ("schema".to_owned(), json!({ "type": "string" })),
            ]);
            self.add_parameter(Parameter { place: Place::Path, name: name.clone(), entry });
        }
        let mut entries = Map::new();
        if !self.parameters.is_empty() {
            self.parameters.sort_by_key(|parameter| parameter.place);
            let parameters = self.parameters.into_iter().map(|parameter| parameter.entry);
            entries.insert("parameters".to_owned(), parameters.map(Value::Object).collect());
        }
        if let Some(body) = self.body.finish() {
            entries.insert("requestBody".to_owned(), body);
        }
        // Success first: the statuses in their order, then what is left.
        self.responses.sort_keys();
        entries.insert("responses".to_owned(), self.responses.into());
        let (requirements, mistakes) = self.security.finish(&self.plan.security_schemes);
        let title = self.title;
        self.plan.mistakes.extend(mistakes.iter().map(|mistake| format!("{title}: {mistake}")));
        if !requirements.is_empty() {
            entries.insert("security".to_owned(), requirements.into());
        }
        entries
    }
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("title", &self.title).finish_non_exhaustive()
    }
}

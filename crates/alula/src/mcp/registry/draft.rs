//! From functions to what a server offers.

use std::collections::HashSet;

use http::HeaderName;
use serde_json::{Map, Value, json};

use super::{
    AnyPrompt, AnyResource, AnyTool, Completers, Prompt, Registry, Resource, Tool, endpoint,
    endpoint::ParameterHeader, extracted, lint, template::Template,
};
use crate::{
    error::Result,
    input::{Input, RequestContext},
    mcp::{
        about::Common,
        complete::{Completer, OneOf},
        content::{Contents, Message},
        define::{PromptDefinition, ResourceDefinition, ToolDefinition},
        output::{OutputPlan, PromptOutput as _, ResourceOutput, ToolOutput as _, ToolResult},
    },
    openapi::{Operation, Plan},
    schema::Parameter,
};
use futures_util::future::BoxFuture;

/// The longest name that clients and providers of models take.
const NAME_LENGTH_MAX: usize = 64;

/// What a server will offer.
#[derive(Default)]
pub(crate) struct Draft {
    tools: Vec<(Common, Map<String, Value>, Tool)>,
    resources: Vec<(Common, Map<String, Value>, Resource)>,
    prompts: Vec<(Common, Map<String, Value>, Prompt)>,
}

/// Plans a tool, or another function.
pub(crate) type PlanItem = fn(&mut Plan, &mut Draft);

pub(crate) fn plan_tool<T: ToolDefinition>(plan: &mut Plan, draft: &mut Draft) {
    let about = T::about();
    let title = format!("tool `{}`", about.common.name);
    let (input, arguments) = plan.undocumented(|plan| {
        let mut operation = Operation::of_mcp(plan, &title);
        let input = T::Input::plan(&mut operation);
        operation.finish_of_mcp();
        (input, operation.take_arguments())
    });
    let arguments = arguments.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    let output = T::Output::plan();
    let fields = about.fields(arguments, output.schema.clone());
    let run = Box::new(PlannedTool::<T> { input, output });
    draft.add_tool(about.common, fields, run, plan);
}

pub(crate) fn plan_resource<R: ResourceDefinition>(plan: &mut Plan, draft: &mut Draft) {
    let about = R::about();
    let title = format!("resource `{}`", about.uri);
    let template = match Template::parse(&about.uri) {
        Ok(template) => template,
        Err(mistake) => return plan.mistakes.push(format!("{title}: {mistake}")),
    };
    let completers = about.completers;
    let (input, variables, completers) = plan.undocumented(|plan| {
        let mut operation = Operation::of_mcp(plan, &title);
        let input = R::Input::plan(&mut operation);
        let variables = operation.take_variables();
        let completers = plan_completers(completers, &variables, &mut operation);
        operation.finish_of_mcp();
        (input, variables, completers)
    });
    for mistake in mismatches(&template, &variables) {
        plan.mistakes.push(format!("{title}: {mistake}"));
    }
    let mime_type = about.mime_type.or_else(|| R::Output::MIME_TYPE.map(str::to_owned));
    let mut fields = about.common.fields();
    let uri = if template.is_plain() { "uri" } else { "uriTemplate" };
    fields.insert(uri.to_owned(), template.text().into());
    if let Some(mime_type) = &mime_type {
        fields.insert("mimeType".to_owned(), mime_type.clone().into());
    }
    let run = Box::new(PlannedResource::<R> { input, mime_type });
    draft.resources.push((about.common, fields, Resource { run, template, completers }));
}

pub(crate) fn plan_prompt<P: PromptDefinition>(plan: &mut Plan, draft: &mut Draft) {
    let about = P::about();
    let title = format!("prompt `{}`", about.common.name);
    let completers = about.completers;
    let (input, variables, completers) = plan.undocumented(|plan| {
        let mut operation = Operation::of_mcp(plan, &title);
        let input = P::Input::plan(&mut operation);
        let variables = operation.take_variables();
        let completers = plan_completers(completers, &variables, &mut operation);
        operation.finish_of_mcp();
        (input, variables, completers)
    });
    let mut fields = about.common.fields();
    if !variables.is_empty() {
        let arguments = variables.iter().map(prompt_argument).collect();
        fields.insert("arguments".to_owned(), Value::Array(arguments));
    }
    let required = variables.iter().filter(|variable| variable.required);
    let prompt = Prompt {
        run: Box::new(PlannedPrompt::<P>(input)),
        description: fields.get("description").and_then(Value::as_str).map(str::to_owned),
        required: required.map(|variable| variable.name.clone()).collect(),
        completers,
    };
    draft.prompts.push((about.common, fields, prompt));
}

fn prompt_argument(variable: &Parameter) -> Value {
    let mut argument = json!({ "name": variable.name, "required": variable.required });
    for keyword in ["title", "description"] {
        if let (Some(text), Some(argument)) =
            (variable.schema.get(keyword), argument.as_object_mut())
        {
            argument.insert(keyword.to_owned(), text.clone());
        }
    }
    argument
}

/// What completes the arguments: what the author says, or the values of an enum.
fn plan_completers(
    completers: Vec<(String, Completer)>,
    variables: &[Parameter],
    operation: &mut Operation<'_>,
) -> Completers {
    let mut planned = Completers::new();
    for variable in variables {
        let values = variable.schema.get("enum").and_then(Value::as_array);
        let values = values.into_iter().flatten().filter_map(Value::as_str);
        let values: Vec<String> = values.map(str::to_owned).collect();
        if !values.is_empty() {
            planned.insert(variable.name.clone(), std::sync::Arc::new(OneOf(values)));
        }
    }
    for (argument, completer) in completers {
        if !variables.iter().any(|variable| variable.name == argument) {
            operation.mistake(format!("`{argument}` is completed, but is no argument"));
        }
        let completer = completer.plan(operation);
        planned.insert(argument, completer);
    }
    planned
}

/// What the URI has and the function does not, and the other way round.
fn mismatches(template: &Template, variables: &[Parameter]) -> Vec<String> {
    let is_read = |name: &&str| variables.iter().any(|variable| variable.name == *name);
    let unread = template.names().filter(|name| !is_read(name));
    let unread = unread.map(|name| format!("no argument is called `{name}`, as its URI has it"));
    let absent = variables.iter().filter(|variable| {
        let name = variable.name.as_str();
        !template.names().any(|known| known == name)
    });
    let absent = absent.map(|variable| {
        let name = &variable.name;
        format!("the argument `{name}` is not in its URI; write `{{{name}}}` or `{{?{name}}}`")
    });
    let optional = variables.iter().filter(|variable| {
        variable.required && template.names_of_query().any(|name| name == variable.name)
    });
    let optional = optional.map(|variable| {
        format!("the argument `{}` may be missing in its URI: make it an `Option`", variable.name)
    });
    unread.chain(absent).chain(optional).collect()
}

/// What is wrong with a name: some client or provider of models would refuse it.
fn name_mistake(what: &str, name: &str) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let is_fit = (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_plain);
    (!is_fit).then(|| {
        format!(
            "{what} `{name}`: a name has 1 to {NAME_LENGTH_MAX} letters, digits, `_`, `-` and `.`"
        )
    })
}

impl Draft {
    pub(super) fn add_tool(
        &mut self,
        common: Common,
        fields: Map<String, Value>,
        run: Box<dyn AnyTool>,
        plan: &mut Plan,
    ) {
        let name = common.name.clone();
        let schema = fields.get("inputSchema").cloned().unwrap_or_default();
        if schema.get("type") != Some(&Value::from("object")) {
            plan.mistakes.push(format!(
                "tool `{name}`: its arguments are an object; use a struct as `Arguments<T>`"
            ));
        }
        for warning in lint::of_tool(&name, &fields) {
            tracing::warn!("tool `{name}`: {warning}");
        }
        let mut headers = Vec::new();
        collect_headers(&schema, &mut Vec::new(), &mut headers).unwrap_or_else(|mistake| {
            plan.mistakes.push(format!("tool `{name}`: {mistake}"));
        });
        self.tools.push((common, fields, Tool { run, headers }));
    }

    /// Adds a tool that is an endpoint.
    pub(crate) fn add_endpoint(&mut self, endpoint: endpoint::EndpointTool, plan: &mut Plan) {
        let (common, fields, run) = endpoint.into_parts();
        self.add_tool(common, fields, run, plan);
    }

    /// Takes over what an application offers that is mounted at a path: its names get that before
    /// them, with `_` for each slash.
    pub(crate) fn absorb(&mut self, path: &str, inner: Self) {
        let prefix = path.trim_matches('/').replace('/', "_");
        let rename = |common: &mut Common, fields: &mut Map<String, Value>| {
            common.name = format!("{prefix}_{}", common.name);
            fields.insert("name".to_owned(), common.name.clone().into());
        };
        for (mut common, mut fields, tool) in inner.tools {
            rename(&mut common, &mut fields);
            self.tools.push((common, fields, tool));
        }
        for (mut common, mut fields, prompt) in inner.prompts {
            rename(&mut common, &mut fields);
            self.prompts.push((common, fields, prompt));
        }
        self.resources.extend(inner.resources);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.resources.is_empty() && self.prompts.is_empty()
    }

    pub(crate) fn finish(self, mistakes: &mut Vec<String>) -> Registry {
        let mut registry = Registry::default();
        if let Some(warning) = lint::of_count(self.tools.len()) {
            tracing::warn!("MCP: {warning}");
        }
        for (common, fields, tool) in self.tools {
            let name = common.name.clone();
            mistakes.extend(name_mistake("tool", &name));
            if !registry.tools.add(&name, common, &fields, tool) {
                mistakes.push(format!("two tools are called `{name}`"));
            }
        }
        for (common, fields, prompt) in self.prompts {
            let name = common.name.clone();
            mistakes.extend(name_mistake("prompt", &name));
            if !registry.prompts.add(&name, common, &fields, prompt) {
                mistakes.push(format!("two prompts are called `{name}`"));
            }
        }
        for (common, fields, resource) in self.resources {
            let uri = resource.template.text().to_owned();
            let shelf = match resource.template.is_plain() {
                true => &mut registry.resources,
                false => &mut registry.templates,
            };
            if !shelf.add(&uri, common, &fields, resource) {
                mistakes.push(format!("two resources have the URI `{uri}`"));
            }
        }
        registry
    }
}

/// Finds the arguments that HTTP requests repeat in headers, by the keyword `x-mcp-header`.
fn collect_headers(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<ParameterHeader>,
) -> Result<(), String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = property.get("x-mcp-header") {
            let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
            if !["string", "integer", "boolean"].contains(&kind) {
                return Err(format!(
                    "`{name}` cannot be a header; that is for texts, integers and booleans"
                ));
            }
            let header = header.as_str().unwrap_or_default();
            let header = HeaderName::try_from(format!("mcp-param-{header}"))
                .ok()
                .filter(|_| !header.is_empty())
                .ok_or_else(|| format!("`{header}`, of `{name}`, is no name of a header"))?;
            found.push(ParameterHeader { header, path: path.clone() });
        }
        collect_headers(property, path, found)?;
        path.pop();
    }
    let mut names = HashSet::new();
    match found.iter().find(|one| !names.insert(&one.header)) {
        Some(twice) => Err(format!("two arguments are the header `{}`", twice.header)),
        None => Ok(()),
    }
}

struct PlannedTool<T: ToolDefinition> {
    input: <T::Input as Input>::Plan,
    output: OutputPlan,
}

impl<T: ToolDefinition> AnyTool for PlannedTool<T> {
    fn call<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<ToolResult>> {
        Box::pin(async {
            let input = extracted::<T::Input>(&self.input, cx).await?;
            T::call(input).await?.into_result(&self.output)
        })
    }
}

struct PlannedResource<R: ResourceDefinition> {
    input: <R::Input as Input>::Plan,
    mime_type: Option<String>,
}

impl<R: ResourceDefinition> AnyResource for PlannedResource<R> {
    fn read<'a>(
        &'a self,
        uri: &'a str,
        cx: &'a mut RequestContext,
    ) -> BoxFuture<'a, Result<Vec<Contents>>> {
        Box::pin(async {
            let input = extracted::<R::Input>(&self.input, cx).await?;
            R::call(input).await?.into_contents(uri, self.mime_type.as_deref())
        })
    }
}

struct PlannedPrompt<P: PromptDefinition>(<P::Input as Input>::Plan);

impl<P: PromptDefinition> AnyPrompt for PlannedPrompt<P> {
    fn get<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Vec<Message>>> {
        Box::pin(async {
            let input = extracted::<P::Input>(&self.0, cx).await?;
            Ok(P::call(input).await?.into_messages())
        })
    }
}

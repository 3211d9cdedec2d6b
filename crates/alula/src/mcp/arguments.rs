//! What functions are called with.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::registry::schema;
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
    schema::{Detail, Loc, Names, Parameter, Shape, TextShape, lenient},
    validate::Validate,
};

/// The arguments of a call of a tool, as one value.
///
/// `#[tool]` makes it of the plain arguments of the function; a function may also take all of them
/// as one `Arguments<T>`.
///
/// Models write numbers as text, and lists and objects as text with JSON in it. So `"2"` is taken
/// for 2 where a number is wanted, and `"[1, 2]"` for a list where one is wanted; what is wanted as
/// text stays as it is. All that is wrong is told at once, by the names of the arguments, as an
/// error that the model reads.
///
/// ```
/// use alula::{mcp::Arguments, prelude::*};
///
/// #[derive(Deserialize, JsonSchema, Validate)]
/// struct Search {
///     /// What to look for.
///     #[schemars(length(min = 1))]
///     query: String,
///     #[serde(default)]
///     tags: Vec<String>,
/// }
///
/// /// Search the documents.
/// #[tool(read_only)]
/// async fn search(Arguments(search): Arguments<Search>) -> Vec<String> {
///     vec![search.query]
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<T>(pub T);

/// How the arguments of a tool are read.
#[doc(hidden)]
#[derive(Debug)]
pub struct ArgumentsPlan(Shape);

impl<T: DeserializeOwned + JsonSchema + Validate + Send + 'static> Input for Arguments<T> {
    type Plan = ArgumentsPlan;

    fn plan(operation: &mut Operation<'_>) -> ArgumentsPlan {
        operation.needs_mcp("`Arguments<T>`");
        let root = operation.input_schema::<T>();
        operation.set_arguments(schema::of_arguments(root.with_definitions()));
        ArgumentsPlan(operation.compile::<T>(&root))
    }

    async fn extract(plan: &ArgumentsPlan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let bytes = cx.bytes().await?;
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        match lenient::parse::<T>(&plan.0, bytes) {
            Ok(arguments) => Ok(Self(arguments)),
            Err(details) => Err(cx.reject_all(details.into_iter().map(by_name))),
        }
    }
}

/// An entry whose place begins with the argument.
fn by_name(mut detail: Detail) -> Detail {
    match detail.loc.as_mut_slice() {
        [all] => *all = Loc::from("arguments"),
        _ => _ = detail.loc.remove(0),
    }
    detail
}

/// The values in the URI of a resource, or the arguments of a prompt: texts, read as the values of
/// a query are.
///
/// `#[resource]` and `#[prompt]` make it of the plain arguments of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables<T>(pub T);

/// How texts are read.
#[doc(hidden)]
#[derive(Debug)]
pub struct VariablesPlan(TextShape);

/// The texts of a call.
#[derive(Debug, Clone)]
pub(super) struct Texts(pub(super) Vec<(String, String)>);

impl<T: DeserializeOwned + JsonSchema + Validate + Send + 'static> Input for Variables<T> {
    type Plan = VariablesPlan;

    fn plan(operation: &mut Operation<'_>) -> VariablesPlan {
        operation.needs_mcp("`Variables<T>`");
        let root = operation.input_schema::<T>();
        let schema = root.with_definitions();
        let shape = TextShape::new(&schema, Names::AsIs);
        let tidy = schema::tidy(schema);
        let variables = shape.parameters().iter().map(|variable| {
            let schema = tidy.get("properties").and_then(|all| all.get(&variable.name));
            let schema = schema.unwrap_or(&variable.schema).clone();
            Parameter { schema, ..variable.clone() }
        });
        operation.set_variables(variables.collect());
        VariablesPlan(shape)
    }

    async fn extract(plan: &VariablesPlan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let texts = cx.extensions().get::<Texts>();
        let texts = texts.ok_or_else(|| HttpError::internal("this is no call over MCP"))?;
        let pairs: Vec<_> = texts
            .0
            .iter()
            .map(|(name, text)| (name.as_str().into(), text.as_str().into()))
            .collect();
        match plan.0.parse::<T>("arguments", &pairs) {
            Ok(values) => Ok(Self(values)),
            Err(details) => Err(cx.reject_all(details.into_iter().map(by_name))),
        }
    }
}

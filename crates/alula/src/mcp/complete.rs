//! Completing arguments while they are typed.

use std::{collections::HashMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;

use super::registry::extracted;
use crate::{
    error::{HttpError, Result},
    handler::Handler,
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// How many completions are sent at most, as the protocol has it.
pub(super) const COUNT_MAX: usize = 100;

/// What is being typed: an input of functions that complete.
///
/// ```
/// use alula::{mcp::Completing, prelude::*};
///
/// async fn languages(typed: Completing) -> Vec<&'static str> {
///     let known = ["go", "python", "rust"];
///     known.into_iter().filter(|name| name.starts_with(&typed.value)).collect()
/// }
///
/// /// Review code.
/// #[prompt(complete(language = languages))]
/// async fn review(language: String, code: String) -> String {
///     format!("Review this {language} code:\n{code}")
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completing {
    /// The argument.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
    /// What is known of the other arguments.
    pub others: HashMap<String, String>,
}

impl Input for Completing {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.needs_mcp("`Completing`");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let typed = cx.extensions().get::<Self>().cloned();
        Ok(typed.ok_or_else(|| HttpError::internal("nothing is being completed"))?)
    }
}

/// What a function that completes may return: texts, or a `Result` of them.
pub trait IntoCompletions {
    /// The texts.
    ///
    /// # Errors
    ///
    /// Those of the function.
    fn into_completions(self) -> Result<Vec<String>>;
}

impl<T: Into<String>> IntoCompletions for Vec<T> {
    fn into_completions(self) -> Result<Vec<String>> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<T: IntoCompletions> IntoCompletions for Result<T> {
    fn into_completions(self) -> Result<Vec<String>> {
        self?.into_completions()
    }
}

pub(super) trait AnyCompleter: Send + Sync {
    fn complete<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Vec<String>>>;
}

type PlanCompleter = Box<dyn FnOnce(&mut Operation<'_>) -> Arc<dyn AnyCompleter> + Send>;

/// A function that completes an argument, with inputs as those of tools and [`Completing`].
pub struct Completer(PlanCompleter);

impl Completer {
    /// Of an async function.
    pub fn new<A: Input, H: Handler<A, Output: IntoCompletions>>(function: H) -> Self {
        Self(Box::new(|operation| {
            let planned: Planned<A, H> = Planned { input: A::plan(operation), function };
            Arc::new(planned)
        }))
    }

    pub(super) fn plan(self, operation: &mut Operation<'_>) -> Arc<dyn AnyCompleter> {
        (self.0)(operation)
    }
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}

struct Planned<A: Input, H> {
    input: A::Plan,
    function: H,
}

impl<A: Input, H: Handler<A, Output: IntoCompletions>> AnyCompleter for Planned<A, H> {
    fn complete<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async {
            let input = extracted::<A>(&self.input, cx).await?;
            self.function.call(input).await.into_completions()
        })
    }
}

/// Completes from a few values that are known.
pub(super) struct OneOf(pub(super) Vec<String>);

impl AnyCompleter for OneOf {
    fn complete<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Vec<String>>> {
        let typed = cx.extensions().get::<Completing>().map_or("", |typed| &typed.value);
        let known = self.0.iter().filter(|value| value.starts_with(typed));
        let known = known.cloned().collect();
        Box::pin(async { Ok(known) })
    }
}

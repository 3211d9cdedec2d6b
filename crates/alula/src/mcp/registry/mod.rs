//! What a server offers: built once, then only read.

mod draft;
mod endpoint;
mod lint;
pub(crate) mod schema;
mod shelf;
mod template;

use std::{collections::HashMap, sync::Arc};

use futures_util::future::BoxFuture;

pub(crate) use draft::{Draft, PlanItem, plan_prompt, plan_resource, plan_tool};
pub(crate) use endpoint::{EndpointRoute, EndpointTool, ToolOptions};
pub(super) use shelf::{Page, Shelf};

use self::{
    endpoint::ParameterHeader,
    template::{Template, Values},
};
use super::{
    complete::AnyCompleter,
    content::{Contents, Message},
    output::ToolResult,
};
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
};

/// What a server offers.
#[derive(Default)]
pub(crate) struct Registry {
    pub(super) tools: Shelf<Tool>,
    /// By URI.
    pub(super) resources: Shelf<Resource>,
    /// By their text.
    pub(super) templates: Shelf<Resource>,
    pub(super) prompts: Shelf<Prompt>,
}

/// A tool, ready to be called.
pub(super) struct Tool {
    pub(super) run: Box<dyn AnyTool>,
    /// Arguments that HTTP requests repeat in headers.
    pub(super) headers: Vec<ParameterHeader>,
}

/// A resource, or those of a template, ready to be read.
pub(super) struct Resource {
    pub(super) run: Box<dyn AnyResource>,
    pub(super) template: Template,
    pub(super) completers: Completers,
}

/// A prompt, ready to be made.
pub(super) struct Prompt {
    pub(super) run: Box<dyn AnyPrompt>,
    pub(super) description: Option<String>,
    /// The arguments that it cannot do without.
    pub(super) required: Vec<String>,
    pub(super) completers: Completers,
}

pub(super) type Completers = HashMap<String, Arc<dyn AnyCompleter>>;

pub(super) trait AnyTool: Send + Sync {
    fn call<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<ToolResult>>;
}

pub(super) trait AnyResource: Send + Sync {
    fn read<'a>(
        &'a self,
        uri: &'a str,
        cx: &'a mut RequestContext,
    ) -> BoxFuture<'a, Result<Vec<Contents>>>;
}

pub(super) trait AnyPrompt: Send + Sync {
    fn get<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Vec<Message>>>;
}

impl Registry {
    /// The resource at a URI, among those that pass, with the values in it.
    pub(super) fn resource<'a>(
        &'a self,
        uri: &'a str,
        passes: impl Fn(&super::about::Common) -> bool,
    ) -> Option<(&'a Resource, Values<'a>)> {
        if let Some(entry) = self.resources.find(uri).filter(|entry| passes(&entry.common)) {
            return Some((&entry.item, Values::new()));
        }
        let mut templates = self.templates.entries().filter(|entry| passes(&entry.common));
        templates.find_map(|entry| Some((&entry.item, entry.item.template.values(uri)?)))
    }

    /// Whether anything can be completed.
    pub(super) fn has_completions(&self) -> bool {
        let resources = self.templates.entries().map(|entry| &entry.item.completers);
        let prompts = self.prompts.entries().map(|entry| &entry.item.completers);
        resources.chain(prompts).any(|completers| !completers.is_empty())
    }

    pub(super) fn has_resources(&self) -> bool {
        !self.resources.is_empty() || !self.templates.is_empty()
    }
}

/// The inputs of a function, or why there are none.
pub(super) async fn extracted<I: Input>(plan: &I::Plan, cx: &mut RequestContext) -> Result<I> {
    match I::extract(plan, cx).await {
        Ok(input) if cx.details_len() == 0 => Ok(input),
        Err(Rejection::Error(error)) => Err(error),
        Ok(_) | Err(Rejection::Invalid) => Err(HttpError::validation(cx.take_details())),
    }
}

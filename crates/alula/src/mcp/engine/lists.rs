//! What there is: lists, and completions.

use std::collections::HashMap;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{json, value::RawValue};

use super::{Answer, Caller, Engine, Failure, calls::Work};
use crate::{
    error::HttpError,
    mcp::{
        about::Common,
        complete::{COUNT_MAX, Completing},
        context::Era,
        hub::Kind,
        message::{Params, Reference, Request, RpcError},
        registry::{Completers, Page, Shelf},
    },
};

/// A part of a list as it is sent.
struct List<'a> {
    key: &'static str,
    page: Page<'a>,
    cache: Option<(u64, &'static str)>,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry::<_, [&RawValue]>(self.key, &self.page.items)?;
        if let Some(next) = &self.page.next {
            map.serialize_entry("nextCursor", next)?;
        }
        if let Some((ttl, scope)) = self.cache {
            map.serialize_entry("ttlMs", &ttl)?;
            map.serialize_entry("cacheScope", scope)?;
        }
        map.end()
    }
}

impl Engine {
    /// A part of the list that a method names.
    pub(super) fn list(
        &self,
        request: &Request,
        params: &Params<'_>,
        caller: &Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        let registry = &self.registry;
        let (page, key) = match request.method.as_str() {
            "tools/list" if !registry.tools.is_empty() => {
                (self.page(&registry.tools, Kind::Tool, params, caller), "tools")
            }
            "prompts/list" if !registry.prompts.is_empty() => {
                (self.page(&registry.prompts, Kind::Prompt, params, caller), "prompts")
            }
            "resources/list" if registry.has_resources() => {
                (self.page(&registry.resources, Kind::Resource, params, caller), "resources")
            }
            "resources/templates/list" if registry.has_resources() => (
                self.page(&registry.templates, Kind::Resource, params, caller),
                "resourceTemplates",
            ),
            method => return Err(RpcError::method_not_found(method).into()),
        };
        let page = page.ok_or_else(|| RpcError::invalid("Invalid cursor"))?;
        self.respond(&request.id, era, &List { key, page, cache: self.cache_of_lists(era) })
    }

    fn page<'a, T>(
        &self,
        shelf: &'a Shelf<T>,
        kind: Kind,
        params: &Params<'_>,
        caller: &Caller,
    ) -> Option<Page<'a>> {
        let passes = |item: &Common| self.shows(kind, &caller.access, item);
        shelf.page(params.cursor.as_deref(), self.settings.page_size, passes)
    }

    /// What an argument that is being typed may become.
    pub(super) async fn complete(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: &Caller,
        era: Era,
    ) -> Result<Answer, Failure> {
        if !self.registry.has_completions() {
            return Err(RpcError::method_not_found(&request.method).into());
        }
        let (Some(reference), Some(argument)) = (&params.reference, &params.argument) else {
            return Err(RpcError::invalid("`ref` and `argument` are needed").into());
        };
        let completers = self.completers(reference, caller)?;
        let texts = match completers.get(&argument.name) {
            None => Vec::new(),
            Some(completer) => {
                work.cx.parts_mut().extensions.insert(Completing {
                    argument: argument.name.clone(),
                    value: argument.value.clone(),
                    others: params
                        .context
                        .as_ref()
                        .map_or_else(HashMap::new, |context| context.arguments.clone()),
                });
                completer.complete(&mut work.cx).await.map_err(refused)?
            }
        };
        let (total, has_more) = (texts.len(), texts.len() > COUNT_MAX);
        let values: Vec<String> = texts.into_iter().take(COUNT_MAX).collect();
        let completion = json!({ "values": values, "total": total, "hasMore": has_more });
        self.respond(&request.id, era, &json!({ "completion": completion }))
    }

    fn completers(&self, reference: &Reference, caller: &Caller) -> Result<&Completers, RpcError> {
        let passes = |kind, item: &Common| self.shows(kind, &caller.access, item);
        match reference {
            Reference::Prompt { name } => {
                let entry = self.registry.prompts.find(name);
                let entry = entry.filter(|entry| passes(Kind::Prompt, &entry.common));
                let entry =
                    entry.ok_or_else(|| RpcError::invalid(format!("Unknown prompt: {name}")));
                Ok(&entry?.item.completers)
            }
            Reference::Resource { uri } => {
                let entry = self.registry.templates.find(uri);
                let entry = entry.or_else(|| self.registry.resources.find(uri));
                let entry = entry.filter(|entry| passes(Kind::Resource, &entry.common));
                let entry =
                    entry.ok_or_else(|| RpcError::invalid(format!("Unknown resource: {uri}")));
                Ok(&entry?.item.completers)
            }
        }
    }
}

fn refused(error: HttpError) -> Failure {
    if super::is_challenge(&error) {
        return Failure::Refused(error);
    }
    if error.status().is_server_error() {
        tracing::error!(error = %error.log_message(), "a completion failed");
        return RpcError::new(RpcError::INTERNAL, error.message()).into();
    }
    RpcError::invalid(error.message()).into()
}

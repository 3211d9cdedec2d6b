//! Requests of the newest revision, each of which says everything.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Answer, Caller, Engine, Failure, calls::Work};
use crate::mcp::{
    context::Era,
    message::{MODERN, Params, Request, RpcError, response, versions},
};

/// What every request has to say of its client.
pub(super) fn check(params: &Params<'_>) -> Result<(), RpcError> {
    let meta = params.meta.as_ref();
    match meta.and_then(|meta| meta.version.as_deref()) {
        None => return Err(missing("protocolVersion")),
        Some(MODERN) => {}
        Some(other) => return Err(RpcError::unsupported_version(other)),
    }
    match meta.and_then(|meta| meta.capabilities) {
        None => Err(missing("clientCapabilities")),
        Some(_) => Ok(()),
    }
}

fn missing(name: &str) -> RpcError {
    RpcError::invalid(format!("`_meta` lacks `io.modelcontextprotocol/{name}`"))
        .with(json!({ "missing": format!("io.modelcontextprotocol/{name}") }))
}

impl Engine {
    pub(super) async fn modern(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let era = Era::Modern;
        match request.method.as_str() {
            "server/discover" => self.discover(request),
            "subscriptions/listen" => self.listen(request, params, caller).await,
            _ => self.in_both_eras(request, params, work, caller, era).await,
        }
    }

    fn discover(&self, request: &Request) -> Result<Answer, Failure> {
        let mut result = Map::new();
        let versions: Vec<_> = versions().collect();
        result.insert("supportedVersions".to_owned(), json!(versions));
        result.insert("capabilities".to_owned(), self.capabilities.clone());
        result.insert("serverInfo".to_owned(), self.info.clone());
        if let Some(instructions) = &self.settings.instructions {
            result.insert("instructions".to_owned(), instructions.clone().into());
        }
        if let Some((ttl, scope)) = self.cache_of_lists(Era::Modern) {
            result.insert("ttlMs".to_owned(), ttl.into());
            result.insert("cacheScope".to_owned(), scope.into());
        }
        self.respond(&request.id, Era::Modern, &result)
    }

    /// Tells of changes until the server stops.
    async fn listen(
        &self,
        request: &Request,
        params: &Params<'_>,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let filter = params.notifications.clone();
        let filter = filter.ok_or_else(|| RpcError::invalid("`notifications` is missing"))?;
        let filter = self.honored(filter, &caller)?;
        let id = request.id.value();
        let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
        let mut changes = self.mcp.listen();
        let acknowledged = json!({ "_meta": meta, "notifications": filter });
        let acknowledged = crate::mcp::message::notification(
            "notifications/subscriptions/acknowledged",
            &acknowledged,
        );
        if !caller.out.send(acknowledged).await {
            return Err(RpcError::invalid("The request has to accept `text/event-stream`").into());
        }
        let until = self.shutdown.streams_must_end();
        tokio::pin!(until);
        loop {
            let change = tokio::select! {
                biased;
                () = &mut until => break,
                change = changes.next() => change,
            };
            let Some(change) = change else { break };
            let watches =
                |uri: &Arc<str>| filter.resource_subscriptions.iter().any(|one| **one == **uri);
            let Some(message) = change.notification(&filter, watches, Some(&meta)) else {
                continue;
            };
            if !caller.out.send(message).await {
                return Err(Failure::Cancelled);
            }
        }
        let result: Map<String, Value> = Map::from_iter([
            ("resultType".to_owned(), "complete".into()),
            ("_meta".to_owned(), meta),
        ]);
        Ok(Answer::of(response(&request.id, &result, None)?))
    }

    /// What of the notifications that a client wants there can be.
    fn honored(
        &self,
        mut filter: crate::mcp::message::Filter,
        caller: &Caller,
    ) -> Result<crate::mcp::message::Filter, RpcError> {
        let max = self.settings.subscriptions_max;
        if filter.resource_subscriptions.len() > max {
            return Err(RpcError::invalid(format!("At most {max} resources can be watched")));
        }
        filter.tools_list_changed &= !self.registry.tools.is_empty();
        filter.prompts_list_changed &= !self.registry.prompts.is_empty();
        filter.resources_list_changed &= self.registry.has_resources();
        filter.resource_subscriptions.retain(|uri| self.sees_resource(uri, caller));
        Ok(filter)
    }
}

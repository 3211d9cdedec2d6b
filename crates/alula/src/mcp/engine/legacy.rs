//! Requests of clients that begin with a handshake.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Answer, Caller, Engine, Failure,
    calls::{Work, no_resource},
};
use crate::mcp::{
    context::Era,
    message::{LEGACY, Params, Request, RpcError},
    session::Session,
};

impl Engine {
    pub(super) async fn legacy(
        &self,
        request: &Request,
        params: &Params<'_>,
        work: &mut Work,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let era = Era::Legacy;
        match request.method.as_str() {
            "initialize" => self.initialize(request, params, &caller),
            "ping" => self.respond(&request.id, era, &Map::new()),
            "logging/setLevel" => self.set_level(request, params, &caller),
            "resources/subscribe" | "resources/unsubscribe" => {
                self.subscribe(request, params, &caller)
            }
            _ => self.in_both_eras(request, params, work, caller, era).await,
        }
    }

    /// The handshake, which begins a session.
    fn initialize(
        &self,
        request: &Request,
        params: &Params<'_>,
        caller: &Caller,
    ) -> Result<Answer, Failure> {
        let wanted = params.protocol_version.as_deref();
        let wanted = wanted.ok_or_else(|| RpcError::invalid("`protocolVersion` is missing"))?;
        let known = LEGACY.into_iter().find(|version| *version == wanted);
        let [newest, ..] = LEGACY;
        let version = known.unwrap_or(newest);
        let mut result = Map::new();
        result.insert("protocolVersion".to_owned(), version.into());
        // Nobody is told of changes without a session.
        let tells = self.has_sessions || !caller.is_http;
        let capabilities =
            if tells { self.capabilities.clone() } else { silent(&self.capabilities) };
        result.insert("capabilities".to_owned(), capabilities);
        result.insert("serverInfo".to_owned(), self.info.clone());
        if let Some(instructions) = &self.settings.instructions {
            result.insert("instructions".to_owned(), instructions.clone().into());
        }
        let session = Session::new(
            params.capabilities.unwrap_or_default(),
            params.client_info.clone(),
            caller.access.owner_name().map(str::to_owned),
        );
        let answer = self.respond(&request.id, Era::Legacy, &result)?;
        Ok(Answer { session: Some(Arc::new(session)), ..answer })
    }

    fn set_level(
        &self,
        request: &Request,
        params: &Params<'_>,
        caller: &Caller,
    ) -> Result<Answer, Failure> {
        let level = params.level.ok_or_else(|| RpcError::invalid("`level` is missing"))?;
        // Without a session there is nothing that would remember it.
        if let Some(session) = &caller.session {
            session.set_level(level);
        }
        self.respond(&request.id, Era::Legacy, &json!({}))
    }

    fn subscribe(
        &self,
        request: &Request,
        params: &Params<'_>,
        caller: &Caller,
    ) -> Result<Answer, Failure> {
        if !self.registry.has_resources() {
            return Err(RpcError::method_not_found(&request.method).into());
        }
        let uri = params.uri.as_deref().ok_or_else(|| RpcError::invalid("`uri` is missing"))?;
        let session = caller.session.as_ref();
        let session = session.ok_or_else(|| {
            RpcError::invalid_request("who watches resources needs a session; call `initialize`")
        })?;
        let max = self.settings.subscriptions_max;
        if request.method == "resources/unsubscribe" {
            session.unsubscribe(uri);
        } else if !self.sees_resource(uri, caller) {
            return Err(no_resource(uri, Era::Legacy).into());
        } else if !session.subscribe(uri.to_owned(), max) {
            return Err(RpcError::invalid(format!("At most {max} resources can be watched")).into());
        }
        self.respond(&request.id, Era::Legacy, &json!({}))
    }
}

/// What the server has, without that it would tell of changes.
fn silent(capabilities: &Value) -> Value {
    let names = capabilities.as_object().into_iter().flat_map(Map::keys);
    names.map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into()
}

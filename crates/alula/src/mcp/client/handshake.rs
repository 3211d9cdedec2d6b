//! The beginning: which revision both know.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Map, Value, json};

use super::{
    ClientError, ServerInfo,
    builder::Settings,
    wire::{Outgoing, Wire},
};
use crate::mcp::message::{LEGACY, MODERN};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// The newest revision, in which every request says everything.
    Modern,
    /// One with a handshake.
    Legacy,
}

/// Asks for the server in the newest revision.
pub(super) async fn discover(
    wire: &Wire,
    ids: &AtomicU64,
    settings: &Settings,
) -> Result<ServerInfo, ClientError> {
    wire.set_protocol(Some(MODERN));
    let params = Value::from(Map::from_iter([("_meta".to_owned(), settings.meta().into())]));
    let id = ids.fetch_add(1, Relaxed);
    let outgoing = Outgoing { id, method: "server/discover", params: &params };
    let result = wire.request(&outgoing).await?;
    let versions = result.get("supportedVersions").and_then(Value::as_array);
    match versions.is_some_and(|versions| versions.iter().any(|version| version == MODERN)) {
        true => Ok(ServerInfo::new(MODERN, &result)),
        false => Err(ClientError::Protocol(format!("it does not know {MODERN}"))),
    }
}

/// Begins a session.
pub(super) async fn initialize(
    wire: &Wire,
    ids: &AtomicU64,
    settings: &Settings,
) -> Result<ServerInfo, ClientError> {
    wire.set_protocol(None);
    let params = json!({
        "protocolVersion": settings.legacy,
        "capabilities": {},
        "clientInfo": settings.info(),
    });
    let id = ids.fetch_add(1, Relaxed);
    let outgoing = Outgoing { id, method: "initialize", params: &params };
    let result = wire.request(&outgoing).await?;
    let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let Some(version) = LEGACY.into_iter().find(|known| *known == version) else {
        return Err(ClientError::Protocol(format!("it answers with the revision {version:?}")));
    };
    wire.set_protocol(Some(version));
    wire.notify("notifications/initialized", &json!({})).await?;
    Ok(ServerInfo::new(version, &result))
}

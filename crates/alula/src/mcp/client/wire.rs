//! Messages, over either transport.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

use super::{ClientError, Notices, http::Http, stdio::Stdio};
use crate::mcp::message::{self, Id, Request, RpcError, response};

/// What says that nobody waits for an answer any more.
pub(super) const CANCELLED: &str = "notifications/cancelled";

/// A request on its way.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) id: u64,
    pub(super) method: &'a str,
    pub(super) params: &'a Value,
}

impl Outgoing<'_> {
    pub(super) fn message(&self) -> Bytes {
        message::request(&Id::of_number(self.id), self.method, self.params)
    }
}

/// What messages travel over.
pub(super) enum Wire {
    Stdio(Stdio),
    Http(Http),
}

impl Wire {
    pub(super) async fn request(&self, outgoing: &Outgoing<'_>) -> Result<Value, ClientError> {
        match self {
            Self::Stdio(stdio) => stdio.request(outgoing).await,
            Self::Http(http) => http.request(outgoing).await,
        }
    }

    pub(super) async fn notify(&self, method: &str, params: &Value) -> Result<(), ClientError> {
        match self {
            Self::Stdio(stdio) => stdio.notify(method, params).await,
            Self::Http(http) => http.notify(method, params).await,
        }
    }

    /// From now on messages are of this revision; of none before a handshake.
    pub(super) fn set_protocol(&self, version: Option<&'static str>) {
        if let Self::Http(http) = self {
            http.set_protocol(version);
        }
    }

    /// The session that requests belong to, of a server that may forget it.
    pub(super) fn session(&self) -> Option<HeaderValue> {
        match self {
            Self::Stdio(_) => None,
            Self::Http(http) => http.session(),
        }
    }

    /// Learns which arguments of tools stand in headers, too.
    pub(super) fn learn(&self, tools: &[super::Tool]) {
        if let Self::Http(http) = self {
            http.learn(tools);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Stdio(stdio) => stdio.is_closed(),
            Self::Http(_) => false,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Stdio(stdio) => stdio.close().await,
            Self::Http(http) => http.close().await,
        }
    }
}

/// Tells whoever listens of a notification.
pub(super) fn tell(notices: Option<&Notices>, method: &str, params: &[u8]) {
    if let Some(notices) = notices {
        let params = serde_json::from_slice(params).unwrap_or_default();
        notices(method, &params);
    }
}

/// What the server gets that asks us something: we are there, and can do nothing for it.
pub(super) fn answer(request: &Request) -> Bytes {
    let error = match request.method.as_str() {
        "ping" => match response(&request.id, &json!({}), None) {
            Ok(answer) => return answer,
            Err(_) => RpcError::new(RpcError::INTERNAL, "Internal error"),
        },
        method => RpcError::method_not_found(method),
    };
    error.response(Some(&request.id))
}

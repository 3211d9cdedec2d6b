//! What a route, a router and an app say about WebSockets.

use std::sync::Arc;

use super::{Limits, handshake, origin};
use crate::{
    app::App,
    openapi::Operation,
    routing::{Route, Router},
};

/// What is said in one place; the innermost place wins, limit by limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketOptions {
    pub(super) limits: Limits,
    pub(super) origins: Option<Arc<[String]>>,
    pub(super) protocols: Vec<Arc<str>>,
}

impl SocketOptions {
    /// Takes what is not said here from further out.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        self.limits = self.limits.or(outer.limits);
        self.origins = self.origins.take().or_else(|| outer.origins.clone());
    }

    /// Notes what cannot work.
    pub(crate) fn check(&self, operation: &mut Operation<'_>, is_socket: bool) {
        let origins = self.origins.iter().flat_map(|list| list.iter());
        for mistake in origins.filter_map(|origin| origin::mistake(origin)) {
            operation.mistake(mistake);
        }
        for mistake in self.protocols.iter().filter_map(|name| handshake::mistake(name)) {
            operation.mistake(mistake);
        }
        if !self.protocols.is_empty() && !is_socket {
            operation.mistake("`.protocols(…)` is for WebSockets");
        }
    }
}

fn owned<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Option<Arc<[String]>> {
    Some(origins.into_iter().map(Into::into).collect())
}

impl Route {
    /// The limits of the WebSocket; see [`ws::Limits`](Limits).
    pub fn websocket_limits(mut self, limits: Limits) -> Self {
        self.socket.limits = limits.or(self.socket.limits);
        self
    }

    /// The origins whose pages may open the WebSocket, such as `https://example.com`; `*` for all.
    ///
    /// Without a list these are the pages of the server itself. A list takes the place of that,
    /// so it names the own origin, too. Clients that are no browsers send no origin and are
    /// always let in.
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.socket.origins = owned(origins);
        self
    }

    /// The subprotocols that the WebSocket speaks, the preferred one first.
    ///
    /// The first one that the client speaks, too, is agreed on; see
    /// [`WebSocket::protocol`](super::WebSocket::protocol). If there is none, the connection is
    /// opened without, and it is the client's to leave.
    pub fn protocols<S: Into<String>>(mut self, protocols: impl IntoIterator<Item = S>) -> Self {
        self.socket.protocols =
            protocols.into_iter().map(|protocol| Arc::from(protocol.into())).collect();
        self
    }
}

impl Router {
    /// The limits of its WebSockets; a route may set each of them anew.
    pub fn websocket_limits(mut self, limits: Limits) -> Self {
        self.socket.limits = limits.or(self.socket.limits);
        self
    }

    /// The origins whose pages may open its WebSockets, where a route does not say otherwise; see
    /// [`Route::allowed_origins`].
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.socket.origins = owned(origins);
        self
    }
}

impl App {
    /// The limits of WebSockets; a router or a route may set each of them anew.
    pub fn websocket_limits(mut self, limits: Limits) -> Self {
        self.root = self.root.websocket_limits(limits);
        self
    }

    /// The origins whose pages may open WebSockets, where no router or route says otherwise; see
    /// [`Route::allowed_origins`].
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.root = self.root.allowed_origins(origins);
        self
    }
}

//! Where a request came from.

use std::net::IpAddr;

use http::Extensions;

use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
    serve::PeerAddr,
};

/// The address of the client, as an input and in the extensions of a request.
///
/// It is what the proxies say that [`TrustedProxies`](super::TrustedProxies) believes, or else
/// the other end of the connection.
///
/// ```
/// use alula::{Json, middleware::ClientAddr};
///
/// async fn whoami(ClientAddr(address): ClientAddr) -> Json<String> {
///     Json(address.to_string())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    /// The client of a request with these extensions; nothing outside of a server of this crate.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let peer = || extensions.get::<PeerAddr>().map(|peer| Self(peer.0.ip()));
        extensions.get::<Self>().copied().or_else(peer)
    }
}

impl Input for ClientAddr {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let address = Self::of(cx.extensions());
        Ok(address.ok_or_else(|| HttpError::internal("the request has no address"))?)
    }
}

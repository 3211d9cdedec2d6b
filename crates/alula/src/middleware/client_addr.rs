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
///
/// A proxy may not say whom it serves, or say it in a way that cannot be read. Then the address is
/// unknown: it is not that of the proxy, which a rule for addresses of your own network might let
/// in.
///
/// # Errors
///
/// 400 where it is unknown. `Option<ClientAddr>` is nothing then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

/// In the extensions of a request whose proxy does not say whom it serves.
#[derive(Debug, Clone, Copy)]
struct Unknown;

impl ClientAddr {
    /// The client of a request with these extensions; nothing where it is unknown, and outside of
    /// a server of this crate.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        if let Some(known) = extensions.get::<Self>() {
            return Some(*known);
        }
        let peer = extensions.get::<PeerAddr>().filter(|_| extensions.get::<Unknown>().is_none());
        peer.map(|peer| Self(peer.0.ip()))
    }

    /// Notes what the proxies say.
    pub(super) fn note(address: Option<IpAddr>, extensions: &mut Extensions) {
        match address {
            Some(address) => _ = extensions.insert(Self(address)),
            None => {
                extensions.remove::<Self>();
                extensions.insert(Unknown);
            }
        }
    }
}

impl Input for ClientAddr {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.needs_request("the address of its client");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let unknown = || match cx.extensions().get::<Unknown>() {
            Some(Unknown) => HttpError::bad_request("The address of the client is unknown"),
            None => HttpError::internal("the request has no address"),
        };
        Ok(Self::of(cx.extensions()).ok_or_else(unknown)?)
    }
}

impl Input for Option<ClientAddr> {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.needs_request("the address of its client");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(ClientAddr::of(cx.extensions()))
    }
}

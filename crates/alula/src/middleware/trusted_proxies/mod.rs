//! What proxies say of the clients behind them.

mod forwarded;
mod network;

use std::{net::IpAddr, ops::ControlFlow};

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tower_layer::Layer;

use self::{
    forwarded::{Hop, hops, values},
    network::Network,
};
use super::{
    Checked, ClientAddr,
    around::{Around, Heads},
    https_redirect::IsHttps,
};
use crate::serve::PeerAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Believes proxies about who their clients are.
///
/// Behind a proxy every request comes from the proxy, and the real address is in a header that
/// anybody can send. This middleware reads the header only where it comes from an address that is
/// listed, and of the addresses in it takes the last one that is not: the nearest that no proxy of
/// yours has vouched for. Then [`ClientAddr`] is that address, and
/// [`HttpsRedirect`](super::HttpsRedirect) knows whether the client came by `https`.
///
/// It has to be further out, that is added later, than whatever asks.
///
/// ```
/// use alula::{
///     App, Json, get,
///     middleware::{ClientAddr, TrustedProxies},
/// };
///
/// async fn whoami(ClientAddr(address): ClientAddr) -> Json<String> {
///     Json(address.to_string())
/// }
///
/// let app = App::new("Api", "1.0.0")
///     .route(get("/whoami", whoami))
///     .layer(TrustedProxies::new(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]));
/// assert!(app.openapi().is_ok());
/// ```
///
/// It reads `X-Forwarded-For` and `X-Forwarded-Proto`, or, if told so, `Forwarded` of RFC 7239;
/// never both, as a client could send the one that the proxy does not know. The address in a list
/// that is no address of the internet or of a network is a mistake: the application does not start.
#[derive(Debug, Clone)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct TrustedProxies {
    networks: Vec<Network>,
    standard: bool,
    host: bool,
    mistakes: Vec<String>,
}

impl TrustedProxies {
    /// The addresses of proxies, one by one or as networks such as `10.0.0.0/8`.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Self {
        let mut proxies =
            Self { networks: Vec::new(), standard: false, host: false, mistakes: Vec::new() };
        for network in networks {
            match Network::parse(network) {
                Some(network) => proxies.networks.push(network),
                None => proxies.mistakes.push(format!(
                    "`TrustedProxies`: {network:?} is neither an address nor a network such as \
                     `10.0.0.0/8`"
                )),
            }
        }
        proxies
    }

    /// Reads `Forwarded` (RFC 7239) in place of the `X-Forwarded-` headers.
    pub fn standard_header(mut self) -> Self {
        self.standard = true;
        self
    }

    /// Takes the host that the client asked for from the proxy, too, and puts it in place of the
    /// `Host` header.
    ///
    /// For proxies that ask for another name than their clients did. Such a proxy has to set
    /// the header itself: many pass on what a client sends.
    pub fn forward_host(mut self) -> Self {
        self.host = true;
        self
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// What is said of the client: its hop in a list whose last entry the nearest proxy wrote.
    /// Where nobody can tell an address, what is behind it is unknown.
    fn client<'a>(&self, peer: IpAddr, hops: &[Hop<'a>]) -> Option<(IpAddr, Hop<'a>)> {
        let mut client = None;
        for hop in hops.iter().rev() {
            let Some(address) = hop.address else { break };
            client = Some((address, *hop));
            if !self.trusts(address) {
                break;
            }
        }
        // A proxy may tell the scheme and leave the address out.
        client.or_else(|| Some((peer, *hops.last()?)))
    }

    fn hops<'a>(&self, headers: &'a HeaderMap) -> Vec<Hop<'a>> {
        if self.standard {
            return hops(headers);
        }
        let addresses = values(headers, &FORWARDED_FOR);
        let (schemes, hosts) =
            (values(headers, &FORWARDED_PROTO), values(headers, &FORWARDED_HOST));
        let count = addresses.len().max(1);
        // Proxies that pass a list on tell one for each hop; others tell what they know.
        let at = |list: &[&'a str], index: usize| match list.len() == count {
            true => list.get(index).copied(),
            false => list.last().copied(),
        };
        let hop = |index| Hop {
            address: addresses.get(index).copied().and_then(forwarded::address),
            scheme: at(&schemes, index),
            host: at(&hosts, index),
        };
        match addresses.is_empty() && schemes.is_empty() && hosts.is_empty() {
            true => Vec::new(),
            false => (0..count).map(hop).collect(),
        }
    }
}

impl Checked for TrustedProxies {
    fn mistakes(&self) -> Vec<String> {
        self.mistakes.clone()
    }
}

impl<S> Layer<S> for TrustedProxies {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Heads for TrustedProxies {
    type Memory = ();

    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>> {
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip());
        let Some(peer) = peer.filter(|peer| self.trusts(*peer)) else {
            return ControlFlow::Continue(());
        };
        let hops = self.hops(request.headers());
        let Some((address, hop)) = self.client(peer, &hops) else {
            return ControlFlow::Continue(());
        };
        let is_https = hop.scheme.and_then(is_https);
        let host = hop.host.filter(|_| self.host).and_then(|host| HeaderValue::from_str(host).ok());
        request.extensions_mut().insert(ClientAddr(address));
        if let Some(is_https) = is_https {
            request.extensions_mut().insert(IsHttps(is_https));
        }
        if let Some(host) = host {
            request.headers_mut().insert(header::HOST, host);
        }
        ControlFlow::Continue(())
    }

    fn response(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}

fn is_https(scheme: &str) -> Option<bool> {
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    match (is("https") || is("wss"), is("http") || is("ws")) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [HeaderName; 3] = [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST];

    /// The address, the scheme and the host of the client.
    fn client(proxies: &TrustedProxies, headers: &[(&HeaderName, &str)]) -> String {
        let pair = |(name, value): &(&HeaderName, &str)| ((*name).clone(), value.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(pair) {
            map.append(name, value);
        }
        let peer = "10.0.0.1".parse().unwrap();
        match proxies.client(peer, &proxies.hops(&map)) {
            Some((address, Hop { scheme, host, .. })) => {
                format!("{address} {} {}", scheme.unwrap_or("-"), host.unwrap_or("-"))
            }
            None => "nobody".to_owned(),
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "192.0.2.7"]);
        let [address, ..] = &X;
        for (list, expected) in [
            ("203.0.113.5", "203.0.113.5 - -"),
            ("6.6.6.6, 203.0.113.5", "203.0.113.5 - -"),
            ("6.6.6.6, 203.0.113.5, 192.0.2.7, 10.1.2.3", "203.0.113.5 - -"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9 - -"),
            ("6.6.6.6, junk, 10.0.0.8", "10.0.0.8 - -"),
            ("203.0.113.5:4711", "203.0.113.5 - -"),
            ("[2001:db8::1]:4711", "2001:db8::1 - -"),
            ("2001:db8::1", "2001:db8::1 - -"),
            ("::ffff:203.0.113.5", "203.0.113.5 - -"),
            ("junk", "10.0.0.1 - -"),
        ] {
            assert_eq!(client(&proxies, &[(address, list)]), expected, "{list}");
        }
        let several = [(address, "6.6.6.6"), (address, "203.0.113.5"), (address, "10.0.0.2")];
        assert_eq!(client(&proxies, &several), "203.0.113.5 - -");
        assert_eq!(client(&proxies, &[]), "nobody");
    }

    #[test]
    fn scheme_and_host_are_those_of_the_clients_hop() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]);
        let [address, scheme, host] = &X;
        let list = (address, "203.0.113.5, 10.0.0.2");
        let one = client(&proxies, &[list, (scheme, "https"), (host, "a.example")]);
        assert_eq!(one, "203.0.113.5 https a.example");
        let each = client(&proxies, &[list, (scheme, "https, http"), (host, "a, b")]);
        assert_eq!(each, "203.0.113.5 https a");
        assert_eq!(client(&proxies, &[(scheme, "https")]), "10.0.0.1 https -");
    }

    #[test]
    fn the_standard_header_takes_the_place_of_the_others() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).standard_header();
        let [address, ..] = &X;
        let header = "for=6.6.6.6, For=\"[2001:db8::1]:80\";proto=https;host=\"a.example\", \
                      for=10.0.0.2;proto=http";
        let both = [(&header::FORWARDED, header), (address, "6.6.6.6")];
        assert_eq!(client(&proxies, &both), "2001:db8::1 https a.example");
        assert_eq!(client(&proxies, &[(address, "6.6.6.6")]), "nobody");
        for hidden in ["for=unknown;proto=https", "for=_hidden;proto=https", "proto=https"] {
            assert_eq!(client(&proxies, &[(&header::FORWARDED, hidden)]), "10.0.0.1 https -");
        }
    }
}

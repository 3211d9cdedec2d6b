//! What proxies say of the clients behind them.

mod forwarded;
mod network;

use std::{net::IpAddr, ops::ControlFlow};

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tower_layer::Layer;

use self::{
    forwarded::{Hop, address, hops, values},
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
///
/// The lists are read from the right, where the nearest proxy writes. A hop that cannot be read,
/// or that tells no address (`unknown`), ends the search: the client behind it is unknown, and so
/// is [`ClientAddr`]. A listed proxy that sends no such header at all is taken for the client
/// itself, as it is where it asks for your health; so every proxy has to add its header.
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

    /// What is said of the client, by hops of which that of the nearest proxy comes first: the
    /// first one that is no proxy of ours. Nobody vouches for what is behind it, nor for what is
    /// behind one that cannot be told.
    fn client<'a>(&self, hops: impl Iterator<Item = Hop<'a>>) -> Option<Hop<'a>> {
        let mut client = None;
        for hop in hops {
            client = Some(hop);
            if !hop.address.is_some_and(|address| self.trusts(address)) {
                break;
            }
        }
        client
    }

    fn find<'a>(&self, headers: &'a HeaderMap) -> Option<Hop<'a>> {
        match self.standard {
            true => self.client(hops(headers)),
            false => self.client(listed_hops(headers)),
        }
    }
}

/// The hops that the `X-Forwarded-` headers tell of, that of the nearest proxy first.
fn listed_hops(headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
    let addresses = values(headers, &FORWARDED_FOR).map(address);
    let count = values(headers, &FORWARDED_FOR).count();
    // A proxy may tell the scheme or the host and leave the address out.
    let tells_else =
        [FORWARDED_PROTO, FORWARDED_HOST].iter().any(|name| headers.contains_key(name));
    let without = (count == 0 && tells_else).then_some(None);
    let schemes = for_each_hop(headers, &FORWARDED_PROTO, count.max(1));
    let hosts = for_each_hop(headers, &FORWARDED_HOST, count.max(1));
    let hops = addresses.chain(without).zip(schemes).zip(hosts);
    hops.map(|((address, scheme), host)| Hop { address, scheme, host })
}

/// What is told of each hop. Proxies that pass a list on tell one thing for each; others tell what
/// they know.
fn for_each_hop<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    count: usize,
) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
    let mut told = values(headers, name);
    let is_list = values(headers, name).count() == count;
    let nearest = values(headers, name).next();
    std::iter::repeat_with(move || if is_list { told.next() } else { nearest })
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
        if !peer.is_some_and(|peer| self.trusts(peer)) {
            return ControlFlow::Continue(());
        }
        let Some(Hop { address, scheme, host }) = self.find(request.headers()) else {
            return ControlFlow::Continue(());
        };
        let is_https = scheme.and_then(is_https);
        let host = host.filter(|_| self.host).and_then(|host| str::from_utf8(host).ok());
        let host = host.and_then(|host| HeaderValue::from_str(host).ok());
        ClientAddr::note(address, request.extensions_mut());
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

/// Whether anything says that the client came by `https`, whoever wrote it.
pub(super) fn claims_https(headers: &HeaderMap) -> bool {
    let listed = values(headers, &FORWARDED_PROTO);
    let told = hops(headers).filter_map(|hop| hop.scheme);
    listed.chain(told).any(|scheme| is_https(scheme) == Some(true))
}

fn is_https(scheme: &[u8]) -> Option<bool> {
    let is = |known: &[u8]| scheme.eq_ignore_ascii_case(known);
    match (is(b"https") || is(b"wss"), is(b"http") || is(b"ws")) {
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
        let pair = |(name, value): &(&HeaderName, &str)| {
            ((*name).clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(pair) {
            map.append(name, value);
        }
        let text = |told: Option<&[u8]>| {
            told.map_or_else(|| "-".to_owned(), |told| String::from_utf8_lossy(told).into_owned())
        };
        match proxies.find(&map) {
            Some(Hop { address, scheme, host }) => {
                let address = address.map_or_else(|| "?".to_owned(), |known| known.to_string());
                format!("{address} {} {}", text(scheme), text(host))
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
            ("6.6.6.6, junk, 10.0.0.8", "? - -"),
            ("6.6.6.6, , 10.0.0.8", "? - -"),
            ("6.6.6.6, \u{e9}, 203.0.113.5", "203.0.113.5 - -"),
            ("6.6.6.6, \u{e9}", "? - -"),
            ("203.0.113.5:4711", "203.0.113.5 - -"),
            ("[2001:db8::1]:4711", "2001:db8::1 - -"),
            ("2001:db8::1", "2001:db8::1 - -"),
            ("::ffff:203.0.113.5", "203.0.113.5 - -"),
            ("junk", "? - -"),
            ("", "? - -"),
        ] {
            assert_eq!(client(&proxies, &[(address, list)]), expected, "{list}");
        }
        for last in ["10.0.0.2", "10.0.0.3, 10.0.0.2"] {
            let several = [(address, "6.6.6.6"), (address, "203.0.113.5"), (address, last)];
            assert_eq!(client(&proxies, &several), "203.0.113.5 - -");
        }
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
        let few = client(&proxies, &[list, (scheme, "https, \u{e9}, http"), (host, "a, b")]);
        assert_eq!(few, "203.0.113.5 http a");
        assert_eq!(client(&proxies, &[(scheme, "https")]), "? https -");
        assert_eq!(client(&proxies, &[(host, "a, b")]), "? - b");
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
            assert_eq!(client(&proxies, &[(&header::FORWARDED, hidden)]), "? https -");
        }
    }

    #[test]
    fn a_client_cannot_hide_or_change_what_a_proxy_adds() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).standard_header();
        for sent in [
            r#"for=6.6.6.6;x=""#,
            r#"for=6.6.6.6;x="\"#,
            r#"for=6.6.6.6, """#,
            r#"for=6.6.6.6, ,"#,
            "for=6.6.6.6;x=\u{e9}",
        ] {
            for (added, expected) in [
                ("for=203.0.113.5;proto=https", "203.0.113.5 https -"),
                (r#"for="[2001:db8::1]:80""#, "2001:db8::1 - -"),
                ("for=203.0.113.5, for=10.0.0.2", "203.0.113.5 - -"),
                // What is broken hides all that is further left.
                ("for=10.0.0.2", "? - -"),
                (r#"for=10.0.0.3, for="10.0.0.2"#, "? - -"),
                ("for=203.0.113.5;for=10.0.0.2", "? - -"),
            ] {
                let in_one_line = format!("{sent}, {added}");
                let one = client(&proxies, &[(&header::FORWARDED, &in_one_line)]);
                assert_eq!(one, expected, "{in_one_line}");
                let two = [(&header::FORWARDED, sent), (&header::FORWARDED, added)];
                assert_eq!(client(&proxies, &two), expected, "{two:?}");
            }
        }
    }
}

//! The names under which an application may be called.

use std::{net::Ipv6Addr, ops::ControlFlow};

use axum::{body::Body, extract::Request};
use http::{Response, header};
use tower_layer::Layer;

use super::{
    Checked,
    around::{Around, Heads},
    https_redirect::{IsHttps, location},
};
use crate::error::{HttpError, answer_for};

/// Answers requests to the names it is told, and any other with 400.
///
/// An application that writes its own name into links, or trusts whoever can reach it, must know
/// its names: a page anywhere can have any name lead to its address. The rules are those of
/// FastAPI's `TrustedHostMiddleware`.
///
/// ```
/// use alula::{App, middleware::TrustedHosts};
///
/// let hosts = TrustedHosts::new(["example.com", "*.example.com", "localhost"]);
/// let app = App::new("Api", "1.0.0").layer(hosts);
/// assert!(app.openapi().is_ok());
/// ```
///
/// `*.example.com` is every name below `example.com`, but not that name itself. Ports do not
/// count. A pattern of another form is a mistake: the application does not start.
#[derive(Debug, Clone)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct TrustedHosts {
    /// In lower case; one that begins with a dot is an end.
    patterns: Vec<String>,
    www_redirect: bool,
    mistakes: Vec<String>,
}

impl TrustedHosts {
    /// The names to answer to.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Vec::new();
        let mut mistakes = Vec::new();
        for host in hosts {
            match pattern(host) {
                Some(pattern) => patterns.push(pattern),
                None => mistakes.push(format!(
                    "`TrustedHosts`: {host:?} is no host; write it without scheme and port, and \
                     all names below as `*.example.com`"
                )),
            }
        }
        Self { patterns, www_redirect: true, mistakes }
    }

    /// Whether a request to `example.com` is sent to `www.example.com` where only the latter is a
    /// name; it is by default.
    pub fn www_redirect(mut self, redirect: bool) -> Self {
        self.www_redirect = redirect;
        self
    }

    fn trusts(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.starts_with('.') {
            true => host.ends_with(pattern.as_str()),
            false => host == pattern,
        })
    }
}

impl Checked for TrustedHosts {
    fn mistakes(&self) -> Vec<String> {
        self.mistakes.clone()
    }
}

fn pattern(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let name = host.strip_prefix("*.");
    let is_valid = match name {
        Some(name) => is_name(name),
        None => split_port(&host).is_some_and(|(name, port)| name == host && port.is_none()),
    };
    is_valid.then(|| name.map_or_else(|| host.clone(), |name| format!(".{name}")))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// The host and the port of a `Host` header; nothing if it is none. An IPv6 address keeps its
/// brackets.
pub(super) fn split_port(host: &str) -> Option<(&str, Option<&str>)> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_address = |name: &str| {
        let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid = (is_name(name) || is_address(name)) && port.is_none_or(is_port);
    is_valid.then_some((name, port))
}

/// The host and the port that a request is for.
///
/// That is what stands in its target, as HTTP/2 has it, whatever `Host` says beside it (RFC 9112,
/// section 3.2.2); else it is `Host`.
pub(super) fn host(request: &Request) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => {
            let authority = authority.as_str();
            Some(authority.rsplit_once('@').map_or(authority, |(_user, host)| host))
        }
        None => request.headers().get(header::HOST)?.to_str().ok(),
    }
}

impl<S> Layer<S> for TrustedHosts {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Heads for TrustedHosts {
    type Memory = ();

    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>> {
        let given = host(request).unwrap_or_default();
        let Some((name, _)) = split_port(given) else { return refused(request) };
        let name = name.to_ascii_lowercase();
        if self.trusts(&name) {
            return ControlFlow::Continue(());
        }
        let with_www = format!("www.{name}");
        match self.www_redirect && self.patterns.contains(&with_www) {
            true => {
                let IsHttps(is_https) = IsHttps::of(request.extensions());
                let scheme = if is_https { "https" } else { "http" };
                let target = format!("{scheme}://www.{given}");
                ControlFlow::Break(location(&target, request))
            }
            false => refused(request),
        }
    }

    fn response(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}

fn refused(request: &Request) -> ControlFlow<Response<Body>> {
    ControlFlow::Break(answer_for(request, HttpError::bad_request("Invalid host header")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_with_a_host_counts_before_the_header() {
        let to = |target: &str| {
            let request = Request::builder().uri(target).header(header::HOST, "evil.example");
            request.body(Body::empty()).unwrap()
        };
        assert_eq!(host(&to("http://ada@a.example:80/x")), Some("a.example:80"));
        assert_eq!(host(&to("/x")), Some("evil.example"));
    }

    #[test]
    fn a_host_header_is_a_name_or_an_address_and_perhaps_a_port() {
        assert_eq!(split_port("example.com"), Some(("example.com", None)));
        assert_eq!(split_port("example.com:8000"), Some(("example.com", Some("8000"))));
        assert_eq!(split_port("[::1]:80"), Some(("[::1]", Some("80"))));
        assert_eq!(split_port("[::1]"), Some(("[::1]", None)));
        assert_eq!(split_port("127.0.0.1:"), Some(("127.0.0.1", Some(""))));
        for wrong in ["", ":80", "a b", "example.com:x", "::1", "[::g]", "a/b", "a@b", "a%"] {
            assert_eq!(split_port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn patterns_are_names_or_all_names_below_one() {
        assert_eq!(pattern("Example.com").unwrap(), "example.com");
        assert_eq!(pattern("*.example.com").unwrap(), ".example.com");
        assert_eq!(pattern("[::1]").unwrap(), "[::1]");
        for wrong in ["*", "*example.com", "a.*.com", "https://a", "a:80", "", "*.", "a/b"] {
            assert_eq!(pattern(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_does_not_match_what_only_ends_like_it() {
        let hosts = TrustedHosts::new(["a.example", "*.b.example"]);
        assert!(hosts.trusts("a.example") && hosts.trusts("x.b.example"));
        assert!(hosts.trusts("x.y.b.example"));
        for host in ["xa.example", "b.example", "xb.example", "a.example.evil"] {
            assert!(!hosts.trusts(host), "{host}");
        }
    }
}

//! Requests that mean this machine.

use std::net::IpAddr;

use alula::{
    HttpError, Input, Operation, Rejection, RequestContext, Result, State, dependency,
    http::{HeaderName, HeaderValue, Method, header},
};

use super::WithoutKeys;
use crate::services::keys::Keys;

/// What browsers say of where a request comes from, see <https://www.w3.org/TR/fetch-metadata/>.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request that was made to another name than this machine's, as long as there are no
/// keys.
///
/// Then, being on this machine is what entitles to use the providers. A page in the
/// user's browser is not entitled, yet it can have its own name point to 127.0.0.1 (DNS
/// rebinding); the browser then lets it read our answers. It cannot forge the `Host` header. A page
/// can also send a request whose answer it does not get to read, which would be paid for all the
/// same: browsers say where such a request comes from.
#[dependency]
#[expect(clippy::needless_pass_by_value, reason = "inputs are values")]
pub(crate) fn this_machine(
    host: HostName,
    keys: State<Keys>,
    without: State<WithoutKeys>,
) -> Result<()> {
    if *without == WithoutKeys::Everybody || keys.are_needed() {
        return Ok(());
    }
    if host.is_cross_site() {
        return Err(HttpError::forbidden(
            "Pages of other sites may not use a server that has no keys; make a key with `alula \
             keys create`",
        ));
    }
    if host.is_this_machine() {
        return Ok(());
    }
    Err(HttpError::new(
        421,
        "This server has no keys yet and answers to localhost only; to use it by another name, as \
         behind a proxy, make a key with `alula keys create`, or start it with \
         --allow-unauthenticated",
    ))
}

/// What is of interest in the `Host` header, which the serve loop sees to being there once, and in
/// what browsers say of the page.
///
/// It is looked into only where that matters: mostly there are keys.
pub(crate) struct HostName {
    host: Option<HeaderValue>,
    origin: Option<HeaderValue>,
    site: Option<HeaderValue>,
    is_free: bool,
}

impl HostName {
    fn is_this_machine(&self) -> bool {
        is_this_machine(text(self.host.as_ref()).unwrap_or_default())
    }

    fn is_cross_site(&self) -> bool {
        is_cross_site(self.is_free, text(self.origin.as_ref()), text(self.site.as_ref()))
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.map(|value| value.to_str().unwrap_or_default())
}

/// Whether a page that is not of this machine made a request that does something. Programs that are
/// no browsers say nothing of the kind.
fn is_cross_site(is_free: bool, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
    if is_free {
        return false;
    }
    match origin {
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            !host.is_some_and(is_this_machine)
        }
        None => fetch_site == Some("cross-site"),
    }
}

/// Whether a request changes nothing and costs nothing. A search may cost a call of a model.
fn is_free(method: &Method, path: &str) -> bool {
    method.is_safe() && path.trim_end_matches('/') != "/search"
}

/// Whether a `Host` names this machine, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

impl Input for HostName {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let value = |name| cx.headers().get(name).cloned();
        Ok(Self {
            host: value(header::HOST),
            origin: value(header::ORIGIN),
            site: value(FETCH_SITE),
            is_free: is_free(cx.method(), cx.uri().path()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_do_not_pass() {
        let post = |origin, site| is_cross_site(is_free(&Method::POST, "/chat"), origin, site);
        assert!(post(Some("https://evil.example"), Some("cross-site")));
        assert!(post(Some("null"), None));
        assert!(post(None, Some("cross-site")));
        assert!(!post(None, None));
        assert!(!post(Some("http://localhost:3000"), Some("same-site")));
        assert!(!post(Some("http://127.0.0.1:8000"), Some("same-origin")));
        let get = |path| is_cross_site(is_free(&Method::GET, path), None, Some("cross-site"));
        assert!(!get("/docs") && get("/search") && get("/search/"));
    }

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
            "a.localhost:1",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]:1",
            "",
            "127.0.0.1.nip.example:8000",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}

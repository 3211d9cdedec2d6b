//! Which hosts and origins requests may name.
//!
//! A page in a browser can send requests to a server on the same machine: by an origin of its own,
//! which the browser tells, or by a name that suddenly means that machine (DNS rebinding), which
//! shows in `Host`. Programs have neither.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header, uri::Authority};

use crate::{
    error::{HttpError, Result},
    input::RequestContext,
    mcp::engine::Engine,
    middleware::ClientAddr,
};

/// Refuses a request that a page of another site may have sent.
pub(super) fn check(engine: &Engine, cx: &RequestContext) -> Result<()> {
    let host = host(cx.headers(), cx.uri());
    let is_local = ClientAddr::of(cx.extensions())
        .is_some_and(|ClientAddr(address)| address.to_canonical().is_loopback());
    let is_known = host.is_some_and(|host| is_known(engine, host));
    if let Some(host) = host.filter(|_| is_local && !is_known) {
        return Err(refused_host(host));
    }
    let Some(origin) = cx.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let allowed = &engine.settings.allowed_origins;
    if allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (host, authority) {
        // A name of its own is what a page would reach the server by.
        (Some(host), Some(authority)) if host.eq_ignore_ascii_case(authority) && is_known => Ok(()),
        _ => {
            let fix = match &engine.settings.origins_setting {
                Some(name) => format!("`{name}={origin}` allows it"),
                None => {
                    format!("`McpSettings::new().allowed_origins([\"{origin}\"])` allows it")
                }
            };
            tracing::warn!(origin, "a page of another origin was refused by MCP; {fix}");
            Err(HttpError::forbidden("This origin may not use the server"))
        }
    }
}

/// Whether nobody else can have made the name mean this machine.
fn is_known(engine: &Engine, host: &str) -> bool {
    let name = without_port(host);
    let is_same = |allowed: &String| {
        allowed == "*" || allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host)
    };
    let mut allowed = engine.settings.allowed_hosts.iter().chain(&engine.hosts);
    is_address(name) || allowed.any(is_same)
}

fn refused_host(host: &str) -> HttpError {
    let name = without_port(host);
    let fix = format!("`McpSettings::new().allowed_hosts([\"{name}\"])` allows it");
    tracing::warn!(
        host,
        "a request from this machine by an unknown name was refused by MCP; {fix}"
    );
    HttpError::forbidden("This host may not be named")
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    header.or_else(|| uri.authority().map(Authority::as_str))
}

/// `localhost` of `localhost:8000`, `[::1]` of `[::1]:8000`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether it is no name that somebody could give to this machine.
fn is_address(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "10.0.0.1", "[::1]:80", "[::1]"]
        {
            assert!(is_address(without_port(host)), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "", "127.0.0.1.x"] {
            assert!(!is_address(without_port(host)), "{host}");
        }
    }
}

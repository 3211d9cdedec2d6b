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
    if let Some(host) = host.filter(|_| is_local) {
        check_host(engine, host)?;
    }
    let Some(origin) = cx.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let allowed = &engine.settings.allowed_origins;
    if allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (host, authority) {
        (Some(host), Some(authority)) if host.eq_ignore_ascii_case(authority) => Ok(()),
        _ => {
            let fix = format!("`McpSettings::new().allowed_origins([\"{origin}\"])` allows it");
            tracing::warn!(origin, "a page of another origin was refused by MCP; {fix}");
            Err(HttpError::forbidden("This origin may not use the server"))
        }
    }
}

fn check_host(engine: &Engine, host: &str) -> Result<()> {
    let name = without_port(host);
    let is_same = |allowed: &String| {
        allowed == "*" || allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host)
    };
    let mut allowed = engine.settings.allowed_hosts.iter().chain(&engine.hosts);
    if is_loopback(name) || allowed.any(is_same) {
        return Ok(());
    }
    let fix = format!("`McpSettings::new().allowed_hosts([\"{name}\"])` allows it");
    tracing::warn!(
        host,
        "a request from this machine by an unknown name was refused by MCP; {fix}"
    );
    Err(HttpError::forbidden("This host may not be named"))
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

fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_name = |known| name.eq_ignore_ascii_case(known);
    is_name("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_loopback_are_known() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "[::1]"]
        {
            assert!(is_loopback(without_port(host)), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1", "", "127.0.0.1.x"] {
            assert!(!is_loopback(without_port(host)), "{host}");
        }
    }
}

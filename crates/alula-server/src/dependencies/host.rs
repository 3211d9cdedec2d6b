//! Requests that mean this machine.

use std::net::IpAddr;

use alula::{
    HttpError, Input, Operation, Rejection, RequestContext, Result, State, dependency, http::header,
};

use super::WithoutKeys;
use crate::services::keys::Keys;

/// Refuses a request that was made to another name than this machine's, as long as there are no
/// keys.
///
/// Then, being on this machine is what entitles to use the providers. A page in the
/// user's browser is not entitled, yet it can have its own name point to 127.0.0.1 (DNS
/// rebinding); the browser then lets it read our answers. It cannot forge the `Host` header.
#[dependency]
#[expect(clippy::needless_pass_by_value, reason = "inputs are values")]
pub(crate) fn this_machine(
    host: HostName,
    keys: State<Keys>,
    without: State<WithoutKeys>,
) -> Result<()> {
    if host.is_this_machine || *without == WithoutKeys::Everybody || keys.are_needed() {
        return Ok(());
    }
    Err(HttpError::new(
        421,
        "This server has no keys yet and answers to localhost only; to use it by another name, as \
         behind a proxy, make a key with `alula keys create`, or start it with \
         --allow-unauthenticated",
    ))
}

/// What is of interest in the `Host` header, which the serve loop sees to being there once.
#[derive(Clone, Copy)]
pub(crate) struct HostName {
    is_this_machine: bool,
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
        let host = cx.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(Self { is_this_machine: is_this_machine(host.unwrap_or_default()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

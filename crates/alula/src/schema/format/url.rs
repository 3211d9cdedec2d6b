//! Whether a text is an absolute URL, by the rules of the URL standard that clients break.

use std::net::{Ipv4Addr, Ipv6Addr};

type Reason = &'static str;

/// Schemes that cannot do without a host.
const SPECIAL: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];

/// Says why `text` is not an absolute URL.
pub(super) fn check(text: &str) -> Result<(), Reason> {
    let text = text.trim_matches(|char: char| char <= ' ');
    if text.is_empty() {
        return Err("input is empty");
    }
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Err("relative URL without a base");
    };
    if SPECIAL.iter().any(|special| scheme.eq_ignore_ascii_case(special)) {
        let rest = rest.trim_start_matches(['/', '\\']);
        let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
        authority(rest.get(..end).unwrap_or(rest))
    } else {
        Ok(())
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn authority(text: &str) -> Result<(), Reason> {
    let host_port = text.rsplit_once('@').map_or(text, |(_, host_port)| host_port);
    if host_port.is_empty() {
        return Err("empty host");
    }
    if let Some(bracketed) = host_port.strip_prefix('[') {
        let Some((host, after)) = bracketed.split_once(']') else {
            return Err("invalid IPv6 address");
        };
        host.parse::<Ipv6Addr>().map_err(|_| "invalid IPv6 address")?;
        return match after.strip_prefix(':') {
            Some(digits) => port(digits),
            None if after.is_empty() => Ok(()),
            None => Err("invalid port number"),
        };
    }
    match host_port.split_once(':') {
        Some((host, digits)) => {
            host_name(host)?;
            port(digits)
        }
        None => host_name(host_port),
    }
}

fn port(digits: &str) -> Result<(), Reason> {
    let is_port = digits.is_empty()
        || (digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok());
    if is_port { Ok(()) } else { Err("invalid port number") }
}

fn host_name(host: &str) -> Result<(), Reason> {
    if host.is_empty() {
        return Err("empty host");
    }
    if host.contains(|char: char| char.is_ascii_control() || " #%/<>?@[\\]^|".contains(char)) {
        return Err("invalid international domain name");
    }
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && host.split('.').count() == 4 && host.parse::<Ipv4Addr>().is_err() {
        return Err("invalid IPv4 address");
    }
    Ok(())
}

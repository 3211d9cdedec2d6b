//! `Forwarded` (RFC 7239) and the lists of its forerunners.
//!
//! Clients write into these headers, and proxies add to the right of what they were sent. So all
//! is read from the right, byte by byte: nothing that stands further left, however broken, can
//! change how an entry is read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

/// What one proxy tells of whom it serves. What it does not tell, or not in a way that can be
/// read, is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hop<'a> {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
}

/// The entries of a list that may stand in several headers, the last one first.
pub(super) fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lists = headers.get_all(name).iter().rev();
    lists.flat_map(|list| list.as_bytes().rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The hops that `Forwarded` tells of, that of the nearest proxy first.
pub(super) fn hops(headers: &HeaderMap) -> impl Iterator<Item = Hop<'_>> {
    let lists = headers.get_all(header::FORWARDED).iter().rev();
    lists.flat_map(|list| elements(list.as_bytes())).map(|element| hop(element).unwrap_or_default())
}

/// The elements of a list, the last one first.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(list);
    std::iter::from_fn(move || {
        let list = left?;
        let comma = last_comma(list);
        left = comma.and_then(|at| list.get(..at));
        list.get(comma.map_or(0, |at| at + 1)..)
    })
}

/// The last comma that is not in quotes. In a string without an end none is found, so that it is
/// one element with all that stands further left, which is no element.
fn last_comma(list: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(list, at) => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn is_escaped(list: &[u8], at: usize) -> bool {
    let before = list.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// One element, by the grammar of RFC 7239 section 4; blanks around semicolons are let through.
///
/// An element that says a thing twice is refused: the reader before may have taken the other.
fn hop(element: &[u8]) -> Option<Hop<'_>> {
    let (mut address, mut scheme, mut host) = (None, None, None);
    let mut rest = element.trim_ascii();
    while !rest.is_empty() {
        if !rest.starts_with(b";") {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix(b"=")?)?;
            let known = match name {
                _ if name.eq_ignore_ascii_case(b"for") => Some(&mut address),
                _ if name.eq_ignore_ascii_case(b"proto") => Some(&mut scheme),
                _ if name.eq_ignore_ascii_case(b"host") => Some(&mut host),
                _ => None,
            };
            if known.is_some_and(|known| known.replace(value).is_some()) {
                return None;
            }
            rest = after.trim_ascii_start();
        }
        rest = match rest.split_first() {
            None => rest,
            Some((b';', after)) => after.trim_ascii_start(),
            Some(_) => return None,
        };
    }
    Some(Hop { address: address.and_then(self::address), scheme, host })
}

/// A token and what follows it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !is_in_token(byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.split_at_checked(end) }
}

/// A token or what stands in quotes, and what follows it. Escapes stay as they are: no address,
/// scheme or host has any.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else { return token(text) };
    let mut escaped = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    };
    let end = quoted.iter().position(is_end)?;
    Some((quoted.get(..end)?, quoted.get(end + 1..)?))
}

/// An address with or without brackets and a port; nothing for a name, `unknown` or `_hidden`.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let plain = || text.parse::<IpAddr>().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(inner.parse::<Ipv6Addr>().ok()?.into())
    };
    let address = plain().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(list: &str) -> Vec<&str> {
        elements(list.as_bytes()).map(|element| str::from_utf8(element).unwrap()).collect()
    }

    #[test]
    fn separators_in_quotes_separate_nothing() {
        assert_eq!(split(r#"a="1,2" , b=3,,c"#), ["c", "", " b=3", r#"a="1,2" "#]);
        assert_eq!(split(r#"a="\",", b="\\", c"#), [" c", r#" b="\\""#, r#"a="\",""#]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn a_hop_is_read_in_any_order() {
        let read = hop(br#" by=1.2.3.4; HOST="a.example:80" ;;proto=http;for="[::1]"; "#).unwrap();
        let address = Some("::1".parse().unwrap());
        let (scheme, host) = (Some(&b"http"[..]), Some(&b"a.example:80"[..]));
        assert_eq!(read, Hop { address, scheme, host });
        for empty in ["", ";", "by=_x;other=\"\\\"\u{e9}\"", "for=unknown", "for=_hidden"] {
            assert_eq!(hop(empty.as_bytes()), Some(Hop::default()), "{empty}");
        }
    }

    #[test]
    fn what_is_no_element_tells_nothing() {
        for element in [
            "for",
            "for=",
            "=1.1.1.1",
            "for =1.1.1.1",
            "for= 1.1.1.1",
            "for=1.1.1.1 proto=https",
            "for=[::1]",
            "for=1.1.1.1:80",
            "for=\"1.1.1.1",
            "for=\"1.1.1.1\\\"",
            "for=\"1.1.1.1\"x",
            "for=1.1.1.1\"",
            "for=1.1.1.1;x=\"",
            "for=1.1.1.1;for=1.1.1.1",
            "for=unknown;For=1.1.1.1",
            "proto=https;for=1.1.1.1;PROTO=http",
            "host=a;for=1.1.1.1;host=a",
            "for=1.1.1.1;\u{e9}=x",
        ] {
            assert_eq!(hop(element.as_bytes()), None, "{element}");
        }
    }

    proptest! {
        /// What a proxy adds is read as it stands, whatever it was sent.
        #[test]
        fn nothing_further_left_changes_an_element(
            sent in r#"(for=|6\.6\.6\.6|[",;=\\ x]|\PC){0,24}"#,
            element in prop_oneof![
                Just(r#"for=203.0.113.5"#),
                Just(r#"for="203.0.113.5:80";proto=https"#),
                Just(r#"proto=https;x="a,\\\",\\";for=203.0.113.5"#),
            ],
        ) {
            let list = format!("{sent}, {element}");
            let nearest = elements(list.as_bytes()).next().and_then(hop);
            prop_assert_eq!(nearest, hop(element.as_bytes()));
        }
    }
}

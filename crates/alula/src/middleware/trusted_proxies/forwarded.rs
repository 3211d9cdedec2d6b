//! `Forwarded` (RFC 7239) and the lists of its forerunners.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

/// What one proxy tells of whom it serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hop<'a> {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<&'a str>,
    pub(super) host: Option<&'a str>,
}

/// The values of a list that may stand in several headers.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|one| !one.is_empty()).collect()
}

/// The hops that `Forwarded` tells of, that of the nearest proxy last.
pub(super) fn hops(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let lists = headers.get_all(header::FORWARDED).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| split(list, ',')).map(hop).collect()
}

fn hop(element: &str) -> Hop<'_> {
    let mut hop = Hop::default();
    for (name, value) in split(element, ';').filter_map(|pair| pair.split_once('=')) {
        let (name, value) = (name.trim(), value.trim());
        let value =
            value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        if name.eq_ignore_ascii_case("for") {
            hop.address = address(value);
        } else if name.eq_ignore_ascii_case("proto") {
            hop.scheme = Some(value);
        } else if name.eq_ignore_ascii_case("host") {
            hop.host = Some(value);
        }
    }
    hop
}

/// Splits at a separator that is not in quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter| {
        quoted ^= letter == '"';
        letter == separator && !quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// An address with or without brackets and a port; nothing for a name, `unknown` or `_hidden`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
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
    use super::*;

    #[test]
    fn separators_in_quotes_separate_nothing() {
        let parts: Vec<_> = split(r#"a="1,2" , b=3,,c"#, ',').collect();
        assert_eq!(parts, [r#"a="1,2""#, "b=3", "c"]);
    }

    #[test]
    fn a_hop_is_read_in_any_order() {
        let read = hop(r#"by=1.2.3.4; HOST="a.example:80" ;proto=http;for="[::1]""#);
        let address = Some("::1".parse().unwrap());
        let (scheme, host) = (Some("http"), Some("a.example:80"));
        assert_eq!(read, Hop { address, scheme, host });
        assert_eq!(hop("for"), Hop::default());
    }
}

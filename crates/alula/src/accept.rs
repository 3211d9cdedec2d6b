//! What clients accept (RFC 9110, section 12.5).

use http::{HeaderMap, HeaderName, header};

/// The entries of a list with their weights, in lower case.
fn entries(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (String, f32)> {
    let lists = headers.get_all(name).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(|entry| {
        let mut parts = entry.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight = parts.find_map(|part| {
            let (name, weight) = part.trim().split_once('=')?;
            weight.parse().ok().filter(|_| name.eq_ignore_ascii_case("q"))
        });
        (name, weight.unwrap_or(1.0))
    })
}

/// Whether a coding may be used, and is not liked less than none.
pub(crate) fn accepts_encoding(headers: &HeaderMap, coding: &str) -> bool {
    let (mut own, mut any, mut identity) = (None, None, 0.0);
    for (name, weight) in entries(headers, header::ACCEPT_ENCODING) {
        match name.strip_prefix("x-").unwrap_or(&name) {
            "*" => any = Some(weight),
            "identity" => identity = weight,
            name if name == coding => own = Some(weight),
            _ => {}
        }
    }
    let own = own.or(any).unwrap_or(0.0);
    own > 0.0 && own >= identity
}

/// Whether a client asks for a page by name, as browsers do that navigate.
pub(crate) fn names_html(headers: &HeaderMap) -> bool {
    let is_page = |name: &str| matches!(name, "text/html" | "application/xhtml+xml");
    entries(headers, header::ACCEPT).any(|(name, weight)| is_page(&name) && weight != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn weights_of_codings_count() {
        let accepts =
            |list: &str| accepts_encoding(&headers(header::ACCEPT_ENCODING, list), "gzip");
        let fitting = ["gzip", "br, GZIP;q=0.5", "*", "x-gzip", "gzip, identity;q=0.5", "*;q=0.1"];
        for list in fitting {
            assert!(accepts(list), "{list}");
        }
        for list in
            ["", "br", "gzip;q=0", "gzip; q=0.000, *", "gzip;Q=0", "*;q=0", "identity, gzip;q=0.5"]
        {
            assert!(!accepts(list), "{list}");
        }
        assert!(!accepts_encoding(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn a_browser_that_navigates_names_pages() {
        let navigates = |accept: &str| names_html(&headers(header::ACCEPT, accept));
        assert!(navigates("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(navigates("Text/HTML;level=1"));
        for accept in ["*/*", "application/json", "text/*", "text/html;q=0", ""] {
            assert!(!navigates(accept), "{accept}");
        }
    }
}

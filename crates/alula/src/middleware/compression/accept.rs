//! Whether a client accepts gzip (RFC 9110, section 12.5.3).

use http::{HeaderMap, header};

/// Whether gzip may be used, and is not liked less than nothing.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let entries = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for entry in entries {
        let mut parts = entry.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok());
        let weight: f32 = weight.unwrap_or(1.0);
        match name.as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => identity = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count() {
        let accepts = |list: &str| {
            let list = (header::ACCEPT_ENCODING, list.parse().unwrap());
            accepts_gzip(&HeaderMap::from_iter([list]))
        };
        for list in
            ["gzip", "br, GZIP;q=0.5", "*", "x-gzip", "gzip;q=1.0, identity;q=0.5", "*;q=0.1"]
        {
            assert!(accepts(list), "{list}");
        }
        for list in ["", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "identity, gzip;q=0.5"] {
            assert!(!accepts(list), "{list}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}

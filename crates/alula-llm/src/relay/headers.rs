//! Which headers of a client go along to a provider.

use reqwest::header::{HeaderMap, HeaderName};

/// Those of the connection to the client, and of the body as it came, in order.
const OF_CONNECTION: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// The headers that are not about the client, its connection and its credentials.
pub(super) fn of_request(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all("connection").iter();
    let named: Vec<&str> = named
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .map(str::trim)
        .collect();
    let goes_along = |name: &HeaderName| {
        let name = name.as_str();
        OF_CONNECTION.binary_search(&name).is_err()
            && !named.iter().any(|it| it.eq_ignore_ascii_case(name))
            && !is_private(name)
    };
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| goes_along(name)) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

/// Whether it says who the client is, or proves it.
fn is_private(name: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["cf-", "proxy-", "sec-", "x-forwarded-"];
    const ENDS: [&str; 5] = ["api-key", "authorization", "cookie", "-secret", "-token"];
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Adds a client's headers to those of a provider, which wins where both set one. Only the betas
/// that they switch on are switched on together.
pub(crate) fn add(own: &mut HeaderMap, of_client: &HeaderMap) {
    let is_list = |name: &HeaderName| name.as_str().ends_with("-beta");
    let free = |name: &HeaderName| is_list(name) || !own.contains_key(name);
    let added: Vec<_> = of_client.iter().filter(|(name, _)| free(name)).collect();
    for (name, value) in added {
        own.append(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order() {
        assert!(OF_CONNECTION.is_sorted());
    }

    #[test]
    fn only_what_is_about_the_request_goes_along() {
        let sent = [
            ("anthropic-beta", "a"),
            ("authorization", "Bearer client"),
            ("x-api-key", "client"),
            ("x-goog-api-key", "client"),
            ("cookie", "client"),
            ("x-csrf-token", "client"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-request-id", "7"),
            ("idempotency-key", "8"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let kept = of_request(&headers);
        let names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["anthropic-beta", "x-request-id", "idempotency-key"]);
    }
}

//! What the documentation page may load and talk to.

use std::collections::BTreeSet;

use http::{HeaderValue, Uri};
use serde_json::Value;

/// The `Content-Security-Policy` of the page: nothing but what this origin serves, and the icons
/// inside the style sheet. It may talk to the servers that the document names, to try operations
/// and to log in, and to `origins`.
pub(super) fn header(document: &Value, origins: &[String]) -> HeaderValue {
    let mut connect = String::from("'self'");
    let named = urls(document).chain(origins.iter().map(String::as_str));
    // Sorted, so that the header is the same every time.
    for origin in named.filter_map(origin).collect::<BTreeSet<_>>() {
        connect.push(' ');
        connect.push_str(&origin);
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // An origin has nothing that a header could not hold; without them the page is only stricter.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The URLs that Swagger UI calls beside the document: servers, and where tokens come from.
fn urls(document: &Value) -> impl Iterator<Item = &str> {
    let servers = document.get("servers").and_then(Value::as_array).into_iter().flatten();
    let servers = servers.filter_map(|server| server.get("url"));
    let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
    let schemes = || schemes.into_iter().flat_map(|schemes| schemes.values());
    let openid = schemes().filter_map(|scheme| scheme.get("openIdConnectUrl"));
    let flows = schemes().filter_map(|scheme| scheme.get("flows")?.as_object());
    let flows = flows.flat_map(|flows| flows.values());
    let tokens = flows.flat_map(|flow| [flow.get("tokenUrl"), flow.get("refreshUrl")]).flatten();
    servers.chain(openid).chain(tokens).filter_map(Value::as_str)
}

/// The origin of an absolute URL, if a policy can name it; a relative one has that of the page.
pub(super) fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let scheme = url.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = url.authority()?;
    let host = authority.host();
    // A host may hold `;` or `,`, which would begin another directive or policy.
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b".-:[]".contains(&letter);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_origin_is_what_a_policy_can_name() {
        for (url, expected) in [
            ("https://id.example/token?a=b#c", Some("https://id.example")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://user:secret@id.example/", Some("https://id.example")),
            ("http://[::1]:80/t", Some("http://[::1]:80")),
            ("/token", None),
            ("token", None),
            ("", None),
            ("ftp://id.example/", None),
            ("https://a;script-src *", None),
            ("https://a;x/", None),
            ("https://a,b/", None),
            ("https://{tenant}.example/", None),
        ] {
            assert_eq!(origin(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn the_page_may_talk_to_what_the_document_names() {
        let document = json!({
            "servers": [{"url": "https://b.example/v1"}, {"url": "/v1"}],
            "components": {"securitySchemes": {
                "login": {"type": "oauth2", "flows": {
                    "password": {"tokenUrl": "/token", "refreshUrl": "https://r.example/"},
                    "authorizationCode": {
                        // Opened as a window, which the policy does not speak of.
                        "authorizationUrl": "https://window.example/",
                        "tokenUrl": "https://a.example/token",
                    },
                }},
                "id": {"type": "openIdConnect", "openIdConnectUrl": "https://o.example/x"},
                "basic": {"type": "http", "scheme": "basic"},
            }},
        });
        let policy = header(&document, &["https://more.example".to_owned()]);
        let policy = policy.to_str().unwrap();
        let connect = "connect-src 'self' https://a.example https://b.example https://more.example \
                       https://o.example https://r.example;";
        assert!(policy.contains(connect), "{policy}");
        assert!(header(&json!({}), &[]).to_str().unwrap().contains("connect-src 'self';"));
    }
}

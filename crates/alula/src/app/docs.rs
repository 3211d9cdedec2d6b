//! Swagger UI, from the binary.

use axum::{
    body::Body,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{HeaderValue, Response, header};

const BUNDLE: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js.gz");
const STYLE: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui.css.gz");
const ICON: &[u8] = include_bytes!("../../assets/swagger-ui/favicon.png");
const START: &[u8] = include_bytes!("../../assets/docs/start.js");

/// Files are cached for good; a new version of them has a new URL.
const VERSION: &str = "5.35.0";

/// Nothing but what this origin serves, and the icons inside the style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page at `url` and the files it needs below.
pub(super) fn routes(url: &str, openapi_url: &str, title: &str) -> [(String, MethodRouter); 5] {
    let page = Bytes::from(page(url, openapi_url, title));
    let file = |name: &str| format!("{url}/{VERSION}/{name}");
    [
        (url.to_owned(), get(move || async move { html(page) })),
        (file("swagger-ui-bundle.js"), get(|| async { gzipped("text/javascript", BUNDLE) })),
        (file("swagger-ui.css"), get(|| async { gzipped("text/css", STYLE) })),
        (file("start.js"), get(|| async { asset("text/javascript", START) })),
        (file("favicon.png"), get(|| async { asset("image/png", ICON) })),
    ]
}

fn page(url: &str, openapi_url: &str, title: &str) -> String {
    let (url, openapi_url, title) = (escape(url), escape(openapi_url), escape(title));
    let base = format!("{url}/{VERSION}");
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="{base}/favicon.png">
<link rel="stylesheet" href="{base}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{base}/swagger-ui-bundle.js"></script>
<script src="{base}/start.js" data-document="{openapi_url}"></script>
</body>
</html>
"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn html(page: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn asset(content_type: &'static str, content: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(content)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn gzipped(content_type: &'static str, content: &'static [u8]) -> Response<Body> {
    let mut response = asset(content_type, content);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_break_out_of_the_page() {
        let page = page("/docs", "/openapi.json", "</title><script>alert(\"1\")</script>&");
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)"));
        assert_eq!(page.matches("<script").count(), 2);
    }

    #[test]
    fn the_committed_files_are_of_the_version_in_their_url() {
        let readme = include_str!("../../assets/swagger-ui/README.md");
        assert!(readme.contains(&format!("`swagger-ui-dist` {VERSION}")));
        for file in [BUNDLE, STYLE] {
            assert_eq!(file[..2], [0x1f, 0x8b], "gzip");
        }
    }
}

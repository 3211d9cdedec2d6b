//! Swagger UI, from the binary.

mod policy;
#[cfg(feature = "redoc")]
pub(super) mod redoc;
mod settings;

use axum::{
    body::Body,
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::Value;

pub use settings::DocsSettings;

const BUNDLE: &[u8] = include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz");
const STYLE: &[u8] = include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz");
const ICON: &[u8] = include_bytes!("../../../assets/swagger-ui/favicon.png");
const REDIRECT: &[u8] = include_bytes!("../../../assets/swagger-ui/oauth2-redirect.js");
const START: &[u8] = include_bytes!("../../../assets/docs/start.js");

/// Files are cached for good; a new version of them has a new URL.
const VERSION: &str = "5.35.0";

/// The page at `url` and the files it needs below.
pub(super) fn routes(
    url: &str,
    openapi_url: &str,
    document: &Value,
    settings: &DocsSettings,
) -> [(String, MethodRouter); 7] {
    let title = title(document);
    let policy = policy::header(document, settings.origins());
    let page = Page { url, openapi_url, title, settings: &settings.to_json() }.to_html();
    let redirect = redirect_page(url);
    let redirect_policy = policy.clone();
    let file = |name: &str| format!("{url}/{VERSION}/{name}");
    [
        (url.to_owned(), get(move || async move { html(page, policy) })),
        (
            format!("{url}/oauth2-redirect"),
            get(move || async move { html(redirect, redirect_policy) }),
        ),
        (file("swagger-ui-bundle.js"), get(|| async { gzipped("text/javascript", BUNDLE) })),
        (file("swagger-ui.css"), get(|| async { gzipped("text/css", STYLE) })),
        (file("oauth2-redirect.js"), get(|| async { asset("text/javascript", REDIRECT) })),
        (file("start.js"), get(|| async { asset("text/javascript", START) })),
        (file("favicon.png"), get(|| async { asset("image/png", ICON) })),
    ]
}

/// What the document calls the API.
pub(super) fn title(document: &Value) -> &str {
    document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default()
}

/// What the page is made of.
struct Page<'a> {
    url: &'a str,
    openapi_url: &'a str,
    title: &'a str,
    /// What `start.js` hands to Swagger UI, as JSON.
    settings: &'a str,
}

impl Page<'_> {
    fn to_html(&self) -> Bytes {
        let (url, openapi_url) = (escape(self.url), escape(self.openapi_url));
        let (title, settings) = (escape(self.title), escape(self.settings));
        let base = format!("{url}/{VERSION}");
        let page = format!(
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
<script src="{base}/start.js" data-document="{openapi_url}" data-redirect="{url}/oauth2-redirect" data-settings="{settings}"></script>
</body>
</html>
"#
        );
        page.into()
    }
}

/// Where a login at an authorization server ends: it hands the code to the page that opened it.
fn redirect_page(url: &str) -> Bytes {
    let url = escape(url);
    let page = format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Login</title>
</head>
<body>
<script src="{url}/{VERSION}/oauth2-redirect.js"></script>
</body>
</html>
"#
    );
    page.into()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn html(page: Bytes, policy: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
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
        let title = "</title><script>alert(\"1\")</script>&";
        let settings = "{\"a\":\"\\\"><script>\"}";
        let page = Page { url: "/docs", openapi_url: "/openapi.json", title, settings }.to_html();
        let page = str::from_utf8(&page).unwrap();
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)"));
        assert_eq!(page.matches("<script").count(), 2);
    }

    #[test]
    fn the_committed_files_are_of_the_version_in_their_url() {
        let readme = include_str!("../../../assets/swagger-ui/README.md");
        assert!(readme.contains(&format!("`swagger-ui-dist` {VERSION}")));
        for file in [BUNDLE, STYLE] {
            assert_eq!(file[..2], [0x1f, 0x8b], "gzip");
        }
    }
}

//! Redoc, from the binary.

use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::HeaderValue;

use super::{asset, escape, gzipped, html};

const BUNDLE: &[u8] = include_bytes!("../../../assets/redoc/redoc.standalone.js.gz");
const START: &[u8] = include_bytes!("../../../assets/docs/redoc.js");

/// Files are cached for good; a new version of them has a new URL.
const VERSION: &str = "2.5.4";

/// Nothing but what this origin serves. Redoc writes its styles into the page, and searches in a
/// worker that it makes from its own text. The logo that it would load from elsewhere stays away.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; worker-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page at `url` and the files it needs below.
pub(in crate::app) fn routes(
    url: &str,
    openapi_url: &str,
    title: &str,
) -> [(String, MethodRouter); 3] {
    let page = page(url, openapi_url, title);
    let file = |name: &str| format!("{url}/{VERSION}/{name}");
    [
        (url.to_owned(), get(move || async move { html(page, HeaderValue::from_static(POLICY)) })),
        (file("redoc.standalone.js"), get(|| async { gzipped("text/javascript", BUNDLE) })),
        (file("start.js"), get(|| async { asset("text/javascript", START) })),
    ]
}

fn page(url: &str, openapi_url: &str, title: &str) -> Bytes {
    let (url, openapi_url, title) = (escape(url), escape(openapi_url), escape(title));
    let base = format!("{url}/{VERSION}");
    let page = format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>body {{ margin: 0; }}</style>
</head>
<body>
<div id="redoc"></div>
<script src="{base}/redoc.standalone.js"></script>
<script src="{base}/start.js" data-document="{openapi_url}"></script>
</body>
</html>
"#
    );
    page.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_of_the_version_in_their_url() {
        let readme = include_str!("../../../assets/redoc/README.md");
        assert!(readme.contains(&format!("`redoc` {VERSION}")));
        assert_eq!(BUNDLE[..2], [0x1f, 0x8b], "gzip");
    }
}

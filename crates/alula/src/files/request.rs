//! What a request asks of a directory.

use std::path::{Component, PathBuf};

use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;

use crate::{
    accept::{accepts_encoding, names_html},
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// The bytes of a path before what is asked of whatever is mounted there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Below(usize);

impl Below {
    pub(crate) fn new(prefix: usize) -> Self {
        Self(prefix)
    }
}

/// A request for a file.
#[derive(Debug)]
pub(super) struct Asked {
    /// Below the directory; nothing for a path that no file can have.
    pub(super) relative: Option<PathBuf>,
    pub(super) reads: bool,
    pub(super) navigates: bool,
    /// The codings that the client accepts, the best first, with the ends of their files' names.
    pub(super) codings: Vec<(&'static str, &'static str)>,
    pub(super) uri: Uri,
}

impl Input for Asked {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let below = cx.extensions().get::<Below>().copied();
        let Below(prefix) = below.ok_or_else(|| HttpError::internal("nothing is mounted here"))?;
        let tail = cx.uri().path().get(prefix..).unwrap_or_default();
        Ok(Self {
            relative: relative(tail),
            reads: matches!(*cx.method(), Method::GET | Method::HEAD),
            navigates: names_html(cx.headers()),
            codings: codings(cx.headers()),
            uri: cx.uri().clone(),
        })
    }
}

fn codings(headers: &HeaderMap) -> Vec<(&'static str, &'static str)> {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return Vec::new();
    }
    let known = [("br", ".br"), ("gzip", ".gz")];
    known.into_iter().filter(|(name, _)| accepts_encoding(headers, name)).collect()
}

/// The path of a file below a directory: only plain names, none of them hidden.
fn relative(tail: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(tail.trim_start_matches('/')).decode_utf8().ok()?;
    let path = PathBuf::from(decoded.as_ref());
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => {
            let name = name.as_encoded_bytes();
            !name.contains(&0) && (!name.starts_with(b".") || name == b".well-known")
        }
        _ => false,
    };
    path.components().all(is_plain).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_names_stays_below_the_directory() {
        for (tail, path) in [
            ("", ""),
            ("/", ""),
            ("/app.js", "app.js"),
            ("/assets/app.js/", "assets/app.js"),
            ("/a%20b/%C3%A9.txt", "a b/é.txt"),
            ("//a//b", "a/b"),
            ("/.well-known/security.txt", ".well-known/security.txt"),
            ("/a%2Fb", "a/b"),
        ] {
            assert_eq!(relative(tail).unwrap(), PathBuf::from(path), "{tail}");
        }
        for tail in [
            "/..",
            "/a/../../b",
            "/%2e%2e/b",
            "/%2E%2E%2Fb",
            "/a/.%2e/b",
            "/.env",
            "/.git/config",
            "/a/.b/c",
            "/a%00.js",
            "/%ff",
            "/%2Fetc%2Fpasswd",
        ] {
            assert_eq!(relative(tail), None, "{tail}");
        }
    }
}

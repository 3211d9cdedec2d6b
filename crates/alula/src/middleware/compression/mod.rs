//! Smaller answers.

mod gzip;

use std::ops::ControlFlow;

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use tower_layer::Layer;

use self::gzip::GzipBody;
use super::{
    Checked,
    around::{Around, Heads},
};
use crate::accept::accepts_encoding;

/// Compresses answers with gzip for clients that accept it; needs the feature `compression`.
///
/// Left alone are answers of fewer than 500 bytes, those that are compressed already by their
/// nature (images, audio, video, archives) or by a `Content-Encoding`, parts of a content (206),
/// those with a digest of their bytes, and those that say `Cache-Control: no-transform`. So are
/// **streams**, that is everything whose length is not known at its start: a compressor holds back
/// the tokens that a client waits for.
///
/// ```
/// use alula::{App, middleware::Compression};
///
/// let app = App::new("Api", "1.0.0").layer(Compression::new().min_size(1024).level(4));
/// assert!(app.openapi().is_ok());
/// ```
///
/// The compressed form is not the same bytes, so a strong `ETag` becomes a weak one; also in the 304
/// to a client that has the compressed form.
#[derive(Debug, Clone, Copy)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct Compression {
    bytes_min: u64,
    level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl Compression {
    /// Compresses answers of at least 500 bytes at level 6.
    pub fn new() -> Self {
        Self { bytes_min: 500, level: 6 }
    }

    /// The fewest bytes that are worth it; no bytes at all never are.
    pub fn min_size(mut self, bytes: u64) -> Self {
        self.bytes_min = bytes;
        self
    }

    /// From 1, which is fast, to 9, which is small.
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    fn fits(&self, response: &Response<Body>) -> bool {
        let headers = response.headers();
        let is_long = length(response).is_some_and(|length| length >= self.bytes_min.max(1));
        is_long
            && response.status() != StatusCode::PARTIAL_CONTENT
            && !FINAL.iter().any(|name| headers.contains_key(name))
            && !has_word(headers, &header::CACHE_CONTROL, "no-transform")
            && is_compressible(headers)
    }
}

impl Checked for Compression {
    fn mistakes(&self) -> Vec<String> {
        match self.level {
            1..=9 => Vec::new(),
            level => vec![format!("`Compression`: level {level} is not one of 1 to 9")],
        }
    }
}

impl<S> Layer<S> for Compression {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(*self, inner)
    }
}

/// What says that the bytes are to stay as they are.
const FINAL: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What a client says of itself.
#[derive(Debug)]
pub struct Client {
    takes_gzip: bool,
    /// The tags of what it has, if one of them is weak.
    weak_tags: Option<HeaderValue>,
}

impl Client {
    /// Whether it has the compressed form of what has this tag.
    fn has_weak(&self, etag: &HeaderValue) -> bool {
        let weak = [b"W/", etag.as_bytes()].concat();
        let tags = self.weak_tags.as_ref();
        tags.is_some_and(|tags| tags.as_bytes().windows(weak.len()).any(|part| part == weak))
    }
}

impl Heads for Compression {
    type Memory = Client;

    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>, Client> {
        let headers = request.headers();
        let is_weak = |tags: &&HeaderValue| tags.as_bytes().windows(2).any(|part| part == b"W/");
        let weak_tags = headers.get_all(header::IF_NONE_MATCH).iter().find(is_weak).cloned();
        let takes_gzip = accepts_encoding(headers, "gzip");
        ControlFlow::Continue(Client { takes_gzip, weak_tags })
    }

    fn response(&self, client: Client, mut response: Response<Body>) -> Response<Body> {
        if response.status() == StatusCode::NOT_MODIFIED {
            // A strong tag would not be that of any answer that the client or a cache has.
            let etag = response.headers().get(header::ETAG);
            if etag.is_some_and(|etag| client.has_weak(etag)) {
                vary(response.headers_mut());
                weaken(response.headers_mut());
            }
            return response;
        }
        if !self.fits(&response) {
            return response;
        }
        let headers = response.headers_mut();
        vary(headers);
        if !client.takes_gzip {
            return response;
        }
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::ACCEPT_RANGES);
        weaken(headers);
        // The answer to `HEAD` has no body to compress.
        match response.body().is_end_stream() {
            true => response,
            false => response.map(|body| Body::new(GzipBody::new(body, self.level))),
        }
    }
}

/// How many bytes the whole body has, if that is known. The answer to `HEAD` only says it.
fn length(response: &Response<Body>) -> Option<u64> {
    let said = response.headers().get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse().ok());
    said.or_else(|| response.body().size_hint().exact())
}

/// Whether a list in a header has a word.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// What is not compressed already; the list is that of FastAPI's `GZipMiddleware`.
fn is_compressible(headers: &HeaderMap) -> bool {
    const COMPRESSED: [&str; 15] = [
        "application/grpc",
        "application/gzip",
        "application/x-gzip",
        "application/zip",
        "audio/",
        "font/woff",
        "font/woff2",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/event-stream",
        "video/",
        "application/zstd",
    ];
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return false };
    let Ok(content_type) = content_type.to_str() else { return false };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !COMPRESSED.iter().any(|compressed| match compressed.ends_with('/') {
        true => media_type.starts_with(compressed),
        false => media_type == *compressed,
    })
}

fn vary(headers: &mut HeaderMap) {
    if !has_word(headers, &header::VARY, "accept-encoding") {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn weaken(headers: &mut HeaderMap) {
    let Some(etag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))
    else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

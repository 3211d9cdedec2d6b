//! A request on its way.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::{
    Method, Uri,
    header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING},
    http::uri::Scheme,
};
use tokio::io::AsyncWrite;

use super::head;
use crate::parts::Parts;

/// What a head has besides its address and its fields, in bytes, about.
const HEAD_BYTES: usize = 128;
/// How many parts go in one write.
const SLICES_MAX: usize = 8;

/// A request, and how much of it has been sent. The body is not copied.
#[derive(Default)]
pub(in super::super) struct Request {
    head: Vec<u8>,
    body: Parts,
    sent: usize,
    is_flushed: bool,
    /// Answers to it have no body.
    is_head: bool,
    /// It asks for the connection to be closed.
    closes: bool,
}

impl Request {
    pub(in super::super) fn new(
        (method, uri): (&Method, &Uri),
        headers: &HeaderMap,
        body: impl Into<Parts>,
    ) -> Self {
        let body = body.into();
        let has_length = !body.is_empty() || matches!(*method, Method::POST | Method::PUT);
        let head = head(method, uri, headers, has_length.then_some(body.len()));
        let closes = head::has_option(headers, "close");
        let is_head = *method == Method::HEAD;
        Self { head, body, is_head, closes, ..Self::default() }
    }

    /// Whether the server cannot have had all of it, so that it may be sent elsewhere: the
    /// connection has taken nothing or, by TLS, failed within the first write.
    pub(in super::super) fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    pub(super) fn is_sent(&self) -> bool {
        self.is_flushed
    }

    pub(super) fn is_head(&self) -> bool {
        self.is_head
    }

    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// Sends on. Head and body go in one write: by TLS into one record, by TCP into one packet.
    pub(super) fn poll_send(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin + ?Sized),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let slices = self.left(&mut slices);
            if slices.is_empty() {
                break;
            }
            match ready!(Pin::new(&mut *socket).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        ready!(Pin::new(socket).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    /// What has not been sent yet, as far as there is room for it.
    fn left<'s, 'r: 's>(&'r self, slices: &'s mut [IoSlice<'r>]) -> &'s [IoSlice<'r>] {
        let head = self.head.get(self.sent..).unwrap_or_default();
        let in_head = usize::from(!head.is_empty());
        if let Some(first) = slices.first_mut() {
            *first = IoSlice::new(head);
        }
        let in_body = self.sent.saturating_sub(self.head.len());
        let of_body = slices.get_mut(in_head..).unwrap_or_default();
        let count = in_head + self.body.slices(in_body, of_body);
        slices.get(..count).unwrap_or_default()
    }
}

fn head(method: &Method, uri: &Uri, headers: &HeaderMap, length: Option<usize>) -> Vec<u8> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let mut head = Vec::with_capacity(HEAD_BYTES + path.len() + fields.sum::<usize>());
    let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
    push(&[method.as_str().as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\n"]);
    if !headers.contains_key(HOST) {
        push(&[b"host: ", uri.host().unwrap_or_default().as_bytes()]);
        if let Some(port) = port(uri) {
            push(&[b":", port.as_bytes()]);
        }
        push(&[b"\r\n"]);
    }
    for (name, value) in headers {
        // How long the body is, is not the headers' to say.
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            push(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    if let Some(length) = length {
        push(&[b"content-length: ", length.to_string().as_bytes(), b"\r\n"]);
    }
    push(&[b"\r\n"]);
    head
}

/// The port, unless it is that of the scheme.
fn port(uri: &Uri) -> Option<&str> {
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = uri.authority()?.port()?;
    // The number is part of the address, which outlives this.
    (port.as_u16() != usual).then(|| uri.authority()?.as_str().rsplit(':').next())?
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};

    use super::*;

    fn sent(method: &Method, uri: &str, headers: &HeaderMap, body: &'static str) -> String {
        let uri: Uri = uri.parse().unwrap();
        let request = Request::new((method, &uri), headers, Bytes::from_static(body.as_bytes()));
        String::from_utf8([Bytes::from(request.head), request.body.whole()].concat()).unwrap()
    }

    #[test]
    fn a_request_is_written_as_it_is() {
        let none = HeaderMap::new();
        let cases = [
            (Method::GET, "http://a.b", "", "GET / HTTP/1.1\r\nhost: a.b\r\n\r\n"),
            (Method::GET, "http://a:80/x?y=1", "", "GET /x?y=1 HTTP/1.1\r\nhost: a\r\n\r\n"),
            (Method::GET, "https://a:80/", "", "GET / HTTP/1.1\r\nhost: a:80\r\n\r\n"),
            (Method::GET, "https://a:443/", "", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
            (Method::GET, "http://[::1]:8080/", "", "GET / HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n"),
            (Method::GET, "http://[::1]/", "", "GET / HTTP/1.1\r\nhost: [::1]\r\n\r\n"),
            (
                Method::POST,
                "http://a/",
                "",
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                Method::POST,
                "http://a/",
                "{}",
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
            ),
        ];
        for (method, uri, body, expected) in cases {
            assert_eq!(sent(&method, uri, &none, body), expected);
        }
    }

    #[test]
    fn headers_go_along_but_those_that_say_where_the_body_ends() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("other"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("one"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("two"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("7"));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        let head = "POST / HTTP/1.1\r\nhost: other\r\naccept: */*\r\nauthorization: one\r\n\
            authorization: two\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(sent(&Method::POST, "http://a/", &headers, "{}"), head);
    }
}

//! The least HTTP/1.1 that a load generator needs: a request is bytes made once, a response is
//! read to its end.

use std::{net::SocketAddr, str};

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The most bytes of a response.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;

/// The bytes of a `POST` of JSON, with more headers than it needs by itself.
#[must_use]
pub fn post_json(path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: */*\r\n{more}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response; it borrows the buffer of its connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Its status.
    pub status: u16,
    /// The value of `content-type`, or nothing.
    pub content_type: &'a str,
    /// Its body; of one that came in chunks, with the sizes of the chunks.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// If nothing accepts the connection.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    ///
    /// If the connection ends early, or the response is no HTTP/1.1 with a `content-length` or in
    /// chunks.
    pub async fn send(&mut self, request: &[u8]) -> Result<Response<'_>> {
        self.buffer.clear();
        self.stream.write_all(request).await.context("cannot send")?;
        let whole = loop {
            if self.stream.read_buf(&mut self.buffer).await.context("cannot receive")? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(whole) = Head::find(&self.buffer)?.and_then(|head| head.whole(&self.buffer))
            {
                break whole;
            }
            if self.buffer.len() > RESPONSE_BYTES_MAX {
                bail!("the response is larger than {RESPONSE_BYTES_MAX} bytes");
            }
        };
        if self.buffer.len() > whole {
            bail!("the server sent more than its response");
        }
        let head = Head::find(&self.buffer)?.context("the head was there")?;
        let body = self.buffer.get(head.length..).unwrap_or_default();
        Ok(Response { status: head.status, content_type: head.content_type, body })
    }
}

/// What precedes the body of a response.
#[derive(Debug, PartialEq, Eq)]
struct Head<'a> {
    length: usize,
    status: u16,
    content_type: &'a str,
    body: Body,
}

/// Where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    After(usize),
    AfterLastChunk,
}

/// The last chunk, behind the end of another one or of the head.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

impl<'a> Head<'a> {
    /// The length of the whole response, once all of it has come.
    fn whole(&self, bytes: &[u8]) -> Option<usize> {
        let length = match self.body {
            Body::After(length) => self.length + length,
            Body::AfterLastChunk if bytes.ends_with(LAST_CHUNK) => bytes.len(),
            Body::AfterLastChunk => return None,
        };
        (bytes.len() >= length).then_some(length)
    }

    /// Parses the head, once all of it has come.
    fn find(bytes: &'a [u8]) -> Result<Option<Self>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let text = str::from_utf8(bytes.get(..end).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .context("the response starts with no HTTP/1.1 status")?;
        let (mut content_type, mut body) = ("", None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body = value.trim().parse().ok().map(Body::After);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                body = Some(Body::AfterLastChunk);
            } else if name.eq_ignore_ascii_case("content-type") {
                content_type = value.trim();
            }
        }
        let body = body.context("the response does not say where it ends")?;
        Ok(Some(Self { length: end + 4, status, content_type, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_head_is_found_when_it_is_complete() {
        let bytes = b"HTTP/1.1 422 Unprocessable\r\nContent-Type: application/json\r\n\
                      Content-Length: 2\r\n\r\n{}";
        let expected = Head {
            length: bytes.len() - 2,
            status: 422,
            content_type: "application/json",
            body: Body::After(2),
        };
        assert_eq!(Head::find(bytes).unwrap(), Some(expected));
        assert_eq!(Head::find(&bytes[..40]).unwrap(), None);
    }

    #[test]
    fn a_response_in_chunks_ends_with_the_last() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let head = Head::find(bytes).unwrap().unwrap();
        assert_eq!(head.whole(bytes), Some(bytes.len()));
        assert_eq!(head.whole(&bytes[..bytes.len() - 1]), None);
        assert_eq!(bytes[head.length..], *b"2\r\n{}\r\n0\r\n\r\n");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\r\n\r\n"] {
            assert!(Head::find(head.as_bytes()).is_err(), "{head}");
        }
    }

    #[tokio::test]
    async fn responses_are_read_to_their_end_in_any_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for body in ["one", "three"] {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let length = body.len();
                for byte in
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").bytes()
                {
                    stream.write_all(&[byte]).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        };
        let call = async {
            let mut connection = Connection::open(address).await.unwrap();
            for body in ["one", "three"] {
                let response = connection.send(&post_json("/", &[], "{}")).await.unwrap();
                assert_eq!((response.status, response.body), (200, body.as_bytes()));
            }
            assert!(connection.send(&post_json("/", &[], "{}")).await.is_err(), "closed");
        };
        tokio::join!(serve, call);
    }
}

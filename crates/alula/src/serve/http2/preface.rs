//! Which HTTP a client speaks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// What every client of HTTP/2 sends first, and none of HTTP/1.
const PREFACE: &[u8; LENGTH] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LENGTH: usize = 24;

/// The first bytes of a connection, up to the one that tells.
#[derive(Debug, Default)]
pub(in crate::serve) struct Preface {
    bytes: [u8; LENGTH],
    length: usize,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Version {
    One,
    Two,
}

impl Preface {
    /// Reads until it is clear what the client speaks.
    pub(in crate::serve) fn poll_version<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Version>> {
        loop {
            if !PREFACE.starts_with(self.read()) {
                return Poll::Ready(Ok(Version::One));
            }
            let mut buf = ReadBuf::new(self.bytes.get_mut(self.length..).unwrap_or_default());
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(Version::Two));
            }
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                // HTTP/1 knows what to make of an early end.
                0 => return Poll::Ready(Ok(Version::One)),
                read => self.length += read,
            }
        }
    }

    /// What was read, and is still to be read by whoever goes on.
    pub(in crate::serve) fn read(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::poll_fn};

    use tokio_util::io::StreamReader;

    use super::*;

    async fn version(pieces: &[&[u8]]) -> (Version, Vec<u8>) {
        let pieces: VecDeque<_> = pieces.iter().map(|it| Ok::<_, io::Error>(it.to_vec())).collect();
        let pieces = futures_util::stream::iter(pieces).map_ok(io::Cursor::new);
        let mut io = StreamReader::new(pieces);
        let mut preface = Preface::default();
        let version = poll_fn(|cx| preface.poll_version(&mut io, cx)).await.unwrap();
        (version, preface.read().to_vec())
    }

    use futures_util::TryStreamExt as _;

    #[tokio::test]
    async fn the_preface_tells_however_it_is_split() {
        for at in 0..=PREFACE.len() {
            let (start, rest) = PREFACE.split_at(at);
            assert_eq!(version(&[start, rest, b"more"]).await, (Version::Two, PREFACE.to_vec()));
        }
    }

    #[tokio::test]
    async fn all_else_is_http_1() {
        for text in ["GET / HTTP/1.1", "POST /", "P", "PRI * HTTP/1.1\r\n\r\n", "", "\0"] {
            let (version, read) = version(&[text.as_bytes()]).await;
            assert_eq!(version, Version::One, "{text}");
            assert!(text.as_bytes().starts_with(&read), "{text}");
        }
    }
}

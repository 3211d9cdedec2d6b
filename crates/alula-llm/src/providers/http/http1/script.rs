//! A peer in memory, for tests.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{Method, Uri, header::HeaderMap};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    super::pool::{Found, Origin, Pool},
    Connection, Request, call,
};

/// What an answer that comes in these pieces is to who asks: its status, its body and how that
/// ended, and whether the connection is there for another call. `ends` as in [`Script`].
pub(crate) fn read(method: &Method, pieces: VecDeque<Vec<u8>>, ends: bool) -> String {
    let uri = Uri::from_static("http://a/x");
    let pool = Arc::<Pool>::default();
    let Some(origin) = Origin::of(&uri) else { return String::new() };
    let link = Connection::new(Script { pieces, ends }, origin, Arc::downgrade(&pool));
    let mut request = Request::new((method, &uri), &HeaderMap::new(), Bytes::new());
    let answer = match call(link, &mut request).now_or_never() {
        None => return "waits".to_owned(),
        Some(Err(error)) => return error.to_string(),
        Some(Ok(answer)) => answer,
    };
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    let end = loop {
        match poll_fn(|cx| body.poll_piece(cx)).now_or_never() {
            None => break ", waits".to_owned(),
            Some(None) => break String::new(),
            Some(Some(Ok(piece))) => {
                assert!(!piece.is_empty());
                text.extend_from_slice(&piece);
            }
            Some(Some(Err(error))) => break format!(", {error}"),
        }
    };
    let kept = matches!(pool.take(&uri), Some(Found::Idle(_)));
    let kept = if kept { ", kept" } else { "" };
    format!("{status} {}{end}{kept}", String::from_utf8_lossy(&text))
}

/// Takes whatever is sent, and says these pieces, one for each read.
pub(crate) struct Script {
    pub(crate) pieces: VecDeque<Vec<u8>>,
    /// Whether it ends the connection after the last one, and does not wait for more.
    pub(crate) ends: bool,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let rest = piece.split_off(piece.len().min(room.remaining()));
        room.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

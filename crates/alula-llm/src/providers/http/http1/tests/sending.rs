//! Requests to servers that do not take them at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    super::{super::pool::Pool, Error},
    *,
};
use crate::parts::Parts;

const HELLO: &str = "hello, world";

/// Takes so many bytes for each write that is asked for, none where it is to wait, and at last waits
/// or fails.
struct Narrow {
    script: Script,
    takes: VecDeque<usize>,
    fails: bool,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_read(cx, room)
    }
}

impl AsyncWrite for Narrow {
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }

    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.takes.pop_front() {
            Some(0) => Poll::Pending,
            Some(taken) => {
                let taken = taken.min(bytes.len());
                self.taken.lock().unwrap().extend_from_slice(&bytes[..taken]);
                Poll::Ready(Ok(taken))
            }
            None if self.fails => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            None => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Sends a request to a server that takes only so much of it. The answer, whether it may be sent
/// again, and what the server got.
fn narrow(
    takes: impl IntoIterator<Item = usize>,
    fails: bool,
    answer: &str,
) -> (Option<Result<String, Error>>, bool, String) {
    let pool = Arc::<Pool>::default();
    let pieces = [answer.as_bytes().to_vec()].into_iter().filter(|it| !it.is_empty()).collect();
    let taken = Arc::default();
    let narrow = Narrow {
        script: Script { pieces, ends: fails },
        takes: takes.into_iter().collect(),
        fails,
        taken: Arc::clone(&taken),
    };
    let link = Connection::new(narrow, Origin::of(&uri()).unwrap(), Arc::downgrade(&pool));
    // More parts than go in one write.
    let mut body = Parts::default();
    HELLO.as_bytes().chunks(1).for_each(|part| body.push(Bytes::from_static(part)));
    let mut request = Request::new((&Method::POST, &uri()), &HeaderMap::new(), body);
    let answer = call(link, &mut request).now_or_never().map(|answer| {
        let answer = answer?;
        let status = answer.status();
        let mut body = answer.into_body();
        let cx = &mut Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(piece)) = body.poll_piece(cx) {
            piece?;
        }
        let kept = if pool.take(&uri()).is_some() { ", kept" } else { "" };
        Ok(format!("{}{kept}", status.as_u16()))
    });
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    (answer, request.is_unsent(), text)
}

#[test]
fn a_request_arrives_whole_however_little_is_taken_at_once() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let sent = format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n{HELLO}");
    for size in 1..=sent.len() {
        let (answer, _, taken) = narrow([size; 100], false, ok);
        assert_eq!((answer.unwrap().unwrap().as_str(), &*taken), ("200, kept", &*sent));
    }
}

#[test]
fn an_answer_may_come_before_the_request_is_sent() {
    let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
    for fails in [false, true] {
        let (answer, _, taken) = narrow([5, 5], fails, refusal);
        assert_eq!((answer.unwrap().unwrap().as_str(), taken.as_str()), ("413", "POST /x HT"));
    }
    // What is announced is no answer.
    let (answer, ..) = narrow([5, 5], false, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(answer.is_none());
    // While it is read, the rest is sent, for whoever waits for that.
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha";
    let (answer, _, taken) = narrow([5, 0, 100, 100], false, half);
    assert_eq!(answer.unwrap().unwrap(), "200");
    assert!(taken.starts_with("POST /x") && taken.ends_with(HELLO), "{taken}");
}

#[test]
fn only_what_nobody_has_seen_may_be_sent_elsewhere() {
    let (answer, is_unsent, _) = narrow([], true, "");
    assert!(matches!(answer, Some(Err(Error::Write(_)))) && is_unsent, "{answer:?}");
    let (answer, is_unsent, _) = narrow([1], true, "");
    assert!(matches!(answer, Some(Err(Error::Write(_)))) && !is_unsent, "{answer:?}");
    let (answer, is_unsent, _) = narrow([1], true, "HTTP/1.1 200 OK\r\n");
    assert!(matches!(answer, Some(Err(Error::Write(_)))) && !is_unsent, "{answer:?}");
}

//! A body that is compressed on its way.

use std::{
    io::Write as _,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes};
use bytes::Buf as _;
use flate2::{Compression, write::GzEncoder};
use http_body::{Body as HttpBody, Frame};

/// What is compressed before anything else on the thread gets its turn.
const STEP_BYTES: usize = 64 * 1024;

/// Compresses the data of a body, a step at a time.
pub(super) struct GzipBody {
    body: Body,
    /// Nothing once the last bytes are out.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// What came from the body and is not compressed yet.
    input: Bytes,
    /// What comes behind the data.
    trailers: Option<Frame<Bytes>>,
}

impl GzipBody {
    pub(super) fn new(body: Body, level: u32) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(level.clamp(1, 9)));
        Self { body, encoder: Some(encoder), input: Bytes::new(), trailers: None }
    }

    /// Compresses a step, and returns what came out of it, if anything did.
    fn step(encoder: &mut GzEncoder<Vec<u8>>, input: &mut Bytes) -> Result<Vec<u8>, axum::Error> {
        let count = input.len().min(STEP_BYTES);
        encoder.write_all(&input.split_to(count)).map_err(axum::Error::new)?;
        Ok(mem::take(encoder.get_mut()))
    }
}

impl HttpBody for GzipBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while let Some(encoder) = &mut this.encoder {
            if this.input.has_remaining() {
                let output = Self::step(encoder, &mut this.input)?;
                if !output.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(output.into()))));
                }
                if this.input.has_remaining() {
                    // Long and monotonous: nothing comes out for a while.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()? {
                Some(frame) => match frame.into_data() {
                    Ok(data) => this.input = data,
                    Err(trailers) => this.trailers = Some(trailers),
                },
                None => {
                    let last = this.encoder.take().map(GzEncoder::finish).transpose();
                    let last = last.map_err(axum::Error::new)?.unwrap_or_default();
                    return Poll::Ready(Some(Ok(Frame::data(last.into()))));
                }
            }
        }
        Poll::Ready(this.trailers.take().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, task::Waker};

    use super::*;

    #[test]
    fn others_have_their_turn_after_each_step() {
        const LENGTH: usize = 64 * STEP_BYTES;
        let mut body = GzipBody::new(Body::from(vec![b'a'; LENGTH]), 6);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut compressed, mut left, mut waits) = (Vec::new(), LENGTH, 0);
        loop {
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(frame)) => compressed.extend(frame.unwrap().into_data().unwrap()),
                Poll::Ready(None) => break,
                Poll::Pending => waits += 1,
            }
            assert!(left - body.input.len() <= STEP_BYTES);
            left = body.input.len();
        }
        assert!(waits > 0, "so little comes out that some steps end without");
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut text).unwrap();
        assert_eq!(text, vec![b'a'; LENGTH]);
    }
}

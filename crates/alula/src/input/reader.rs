//! A request body while it arrives, under its limits.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http::{HeaderValue, header};
use http_body::Body as _;
use serde_json::Value;

use super::pace::Pace;
use crate::{
    error::{HttpError, Result},
    idle::IdleTimer,
    serve::Limits,
};

/// The most bytes of a body that is held in memory.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The most bytes of a body that goes to disk or to the endpoint as it comes.
const UPLOAD_BYTES_MAX: usize = 50 * 1024 * 1024;

/// The limits of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The most bytes a body may have, if the program says so.
    pub(crate) body_bytes_max: Option<usize>,
    /// The longest wait for the next part of a body.
    pub(crate) body_stall: Duration,
    /// How fast a body must come that no endpoint reads piece by piece.
    pub(crate) pace: Pace,
}

impl BodyLimits {
    /// What a server grants.
    pub(crate) fn of_server(limits: &Limits) -> Self {
        let pace = Pace::new(limits.body_bytes_per_second_min, limits.body_grace);
        Self { body_bytes_max: None, body_stall: limits.body_stall, pace }
    }

    /// For a body that is held in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.body_bytes_max.unwrap_or(BODY_BYTES_MAX)
    }

    /// For a body that goes to disk or to the endpoint as it comes.
    pub(super) fn upload(&self) -> usize {
        self.body_bytes_max.unwrap_or(UPLOAD_BYTES_MAX)
    }
}

/// A body that is read under its limits.
#[derive(Debug)]
pub(super) struct BodyReader {
    body: Body,
    bytes_max: usize,
    /// How many bytes may still come.
    left: usize,
    stall: IdleTimer,
    pace: Option<Pace>,
}

impl BodyReader {
    /// Refuses a body that announces to be too large.
    pub(super) fn new(body: Body, bytes_max: usize, stall: Duration) -> Result<Self> {
        let stall = IdleTimer::new(stall);
        let reader = Self { body, bytes_max, left: bytes_max, stall, pace: None };
        match reader.announced() > bytes_max {
            true => Err(reader.too_large()),
            false => Ok(reader),
        }
    }

    /// Refuses a body that comes so slowly that it holds its connection for nothing.
    pub(super) fn at_pace(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Leaves the pace to the client.
    pub(super) fn at_any_pace(self) -> Self {
        Self { pace: None, ..self }
    }

    /// The least number of bytes that will come.
    fn announced(&self) -> usize {
        usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX)
    }

    /// The next piece of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_next(cx)).await.transpose()
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(frame)) => frame,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    if let Some(pace) = &mut self.pace {
                        pace.wait();
                    }
                    ready!(self.stall.poll(cx));
                    return Poll::Ready(Some(Err(refuse(408, "The request body stalled"))));
                }
            };
            // Whoever reads late must not count against the client.
            self.stall.pause();
            // What is not data are trailers, which nothing here reads.
            let data = match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => data,
                Ok(Err(_)) => continue,
                Err(error) => {
                    let error = HttpError::bad_request("The request body broke off").because(error);
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if let Some(pace) = &mut self.pace
                && !pace.keeps_up_with(data.len())
            {
                return Poll::Ready(Some(Err(refuse(408, "The request body comes too slowly"))));
            }
            return Poll::Ready(Some(match self.left.checked_sub(data.len()) {
                Some(left) => {
                    self.left = left;
                    Ok(data)
                }
                None => Err(self.too_large()),
            }));
        }
    }

    /// The whole body in one piece, without a copy if it arrived in one. `check` sees each piece
    /// as it comes, and may end it.
    pub(super) async fn whole(
        mut self,
        mut check: impl FnMut(&[u8]) -> Result<()> + Send,
    ) -> Result<Bytes> {
        let announced = self.announced();
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        check(&first)?;
        let Some(second) = self.next().await? else { return Ok(first) };
        check(&second)?;
        let mut whole = BytesMut::with_capacity(announced.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(data) = self.next().await? {
            check(&data)?;
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    fn too_large(&self) -> HttpError {
        refuse(413, format!("The request body is larger than {} bytes", self.bytes_max))
    }
}

/// An answer to a body that is not read to its end, which ends the connection.
pub(super) fn refuse(status: u16, detail: impl Into<Value>) -> HttpError {
    HttpError::new(status, detail).header(header::CONNECTION, HeaderValue::from_static("close"))
}

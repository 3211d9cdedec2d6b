//! A recorded answer on the wire.

use std::{future, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use hyper::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::super::{
    End, Interaction,
    server::{Answer, Cut},
};
use crate::{Error, ErrorKind, model::Protocol};

/// How a body is sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// How many times faster than it was recorded; at once if it is zero.
    pub(super) speed: f64,
    pub(super) every_byte: bool,
}

impl Pace {
    /// How long after the headers a piece is sent that came after this time.
    fn after(self, recorded: Duration) -> Option<Duration> {
        let seconds = recorded.as_secs_f64() / self.speed;
        (self.speed > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    fn chunks(self, call: &Interaction) -> Vec<(Duration, Bytes)> {
        let chunks = call.chunks();
        match self.every_byte {
            true => chunks.into_iter().flat_map(|(after, bytes)| single(after, bytes)).collect(),
            false => chunks,
        }
    }
}

fn single(after: Duration, bytes: Bytes) -> impl Iterator<Item = (Duration, Bytes)> {
    (0..bytes.len()).map(move |index| (after, bytes.slice(index..=index)))
}

/// Answers as it was answered when it was recorded.
pub(super) fn answer(call: &Interaction, pace: Pace) -> Answer {
    let start = Instant::now();
    let chunks = stream::iter(pace.chunks(call)).then(move |(after, bytes)| async move {
        if let Some(after) = pace.after(after) {
            sleep_until(start + after).await;
        }
        Ok(bytes)
    });
    let body = match call.end {
        End::Eof => chunks.boxed(),
        End::Reset => chunks.chain(stream::once(future::ready(Err(Cut::Reset)))).boxed(),
        End::Timeout => chunks.chain(stream::pending()).boxed(),
    };
    with_head(call.status, call.end_to_end_headers(), body)
}

/// Says that there is no answer, in the words of the protocol that was spoken, and as an error
/// that is not tried again.
pub(super) fn failure(call: &Interaction, reason: &str) -> Answer {
    let protocol = call.protocol().unwrap_or(Protocol::OpenAiChat);
    let (status, body): (u16, Value) =
        protocol.error_to_json(&Error::new(ErrorKind::InvalidRequest, reason));
    let body = stream::once(future::ready(Ok(Bytes::from(body.to_string())))).boxed();
    with_head(status, [("content-type", "application/json")], body)
}

/// An answer with the headers that HTTP can send.
pub(super) fn with_head<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: BoxStream<'static, Result<Bytes, Cut>>,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<hyper::header::HeaderName>(), value.parse()) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

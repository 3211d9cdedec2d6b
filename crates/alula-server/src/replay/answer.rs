//! A recorded answer on the wire.

use std::{io, time::Duration};

use alula::{Body, Bytes, Result, http::Response};
use alula_llm::testing::{End, Interaction};
use futures_util::{StreamExt, stream, stream::BoxStream};

/// Makes the answer: a stream event by event, anything else at once, ended as it was recorded.
pub(super) fn answer(recorded: &Interaction, delay: Duration) -> Result<Response<Body>> {
    let mut response = Response::builder().status(recorded.status);
    for (name, value) in recorded.end_to_end_headers() {
        response = response.header(name, value);
    }
    let body = match (recorded.is_stream(), recorded.end) {
        (false, End::Eof) => Body::from(recorded.body.clone()),
        (_, end) => {
            let events = stream::iter(events(&recorded.body)).then(move |event| async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Ok(event)
            });
            Body::from_stream(events.chain(after(end)))
        }
    };
    Ok(response.body(body)?)
}

/// What comes after the last event.
fn after(end: End) -> BoxStream<'static, io::Result<Bytes>> {
    match end {
        End::Eof => stream::empty().boxed(),
        End::Reset => stream::once(async {
            // What came before is sent first.
            tokio::task::yield_now().await;
            Err(io::ErrorKind::ConnectionReset.into())
        })
        .boxed(),
        End::Timeout => stream::pending().boxed(),
    }
}

/// Splits a stream behind each blank line; what follows the last one is a piece of its own.
fn events(body: &Bytes) -> std::vec::IntoIter<Bytes> {
    let mut rest = body.clone();
    let mut events = Vec::new();
    while !rest.is_empty() {
        let end = blank_line(&rest).unwrap_or(rest.len());
        events.push(rest.split_to(end));
    }
    events.into_iter()
}

/// Where the first blank line ends.
fn blank_line(bytes: &[u8]) -> Option<usize> {
    let lf = bytes.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2);
    let crlf = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    lf.into_iter().chain(crlf).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_split_into_its_events_and_nothing_is_lost() {
        for (body, expected) in [
            ("data: 1\n\ndata: 2\n\n", vec!["data: 1\n\n", "data: 2\n\n"]),
            ("a: 1\r\n\r\nb: 2\n\nc", vec!["a: 1\r\n\r\n", "b: 2\n\n", "c"]),
            ("", vec![]),
            ("data: é", vec!["data: é"]),
        ] {
            let events: Vec<_> = events(&Bytes::from(body)).collect();
            assert_eq!(events, expected);
        }
    }
}

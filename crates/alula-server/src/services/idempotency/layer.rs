//! What stands around the calls.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, resume_unwind},
    task::{Context, Poll},
};

use alula::{
    Body, Bytes,
    http::{Method, Request, Response, StatusCode},
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either},
    stream,
};
use tokio::sync::{mpsc, oneshot};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use super::{
    Idempotency, kept,
    ticket::{Step, Ticket},
};
use crate::db::{Claim, KeptAnswer};

/// How many pieces of a stream its client may be behind.
const PIECES_AHEAD: usize = 16;

/// Executes requests with an `Idempotency-Key` once. It goes around routes that depend on `once`.
#[derive(Debug, Clone)]
pub(crate) struct Idempotent(Idempotency);

impl Idempotent {
    pub(crate) fn new(idempotency: Idempotency) -> Self {
        Self(idempotency)
    }
}

impl<S> Layer<S> for Idempotent {
    type Service = Once<S>;

    fn layer(&self, inner: S) -> Once<S> {
        Once { inner, idempotency: self.0.clone() }
    }
}

/// A service that executes requests with the header once.
#[derive(Debug, Clone)]
pub(crate) struct Once<S> {
    inner: S,
    idempotency: Idempotency,
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for Once<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Answer>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let ticket = Ticket::of(&request).filter(|_| request.method() == Method::POST);
        let Some(ticket) = ticket else { return Either::Left(self.inner.call(request)) };
        request.extensions_mut().insert(ticket.clone());
        let executed = self.inner.call(request);
        Either::Right(self.idempotency.clone().detached(ticket, executed).boxed())
    }
}

impl Idempotency {
    /// Executes a request to its end, also when its client leaves: it may ask again for the answer.
    async fn detached(
        self,
        ticket: Ticket,
        executed: impl Future<Output = Answer> + Send + 'static,
    ) -> Answer {
        let (answer, answered) = oneshot::channel();
        let shutdown = self.0.shutdown.clone();
        let work = async move {
            let executed = AssertUnwindSafe(self.while_claimed(&ticket, executed)).catch_unwind();
            let done = match executed.await {
                Ok(Ok(response)) => Ok(self.ended(&ticket, response).await),
                Ok(Err(never)) => match never {},
                Err(panic) => {
                    if let Step::Claimed(claim) = ticket.take() {
                        self.give_back(&claim).await;
                    }
                    Err(panic)
                }
            };
            // Whoever has left may ask again.
            let _ = answer.send(done);
        };
        shutdown.spawn(work.in_current_span());
        match answered.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(panic)) => resume_unwind(panic),
            // The task is gone without a panic, so the runtime ends.
            Err(_) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(response)
            }
        }
    }

    /// What the client gets: the answer of the endpoint, which is kept, or what was kept.
    async fn ended(&self, ticket: &Ticket, response: Response<Body>) -> Response<Body> {
        let claim = match ticket.take() {
            Step::Open => return response,
            // The endpoint has said in its own words that it is too large, if it is.
            Step::Answered(answer) => return kept::response(answer).unwrap_or(response),
            Step::Claimed(claim) => claim,
        };
        if !kept::is_kept(response.status(), ticket.has_begun()) {
            self.give_back(&claim).await;
            return response;
        }
        let (parts, body) = response.into_parts();
        let recorded = Recorded {
            status: parts.status.as_u16(),
            headers: kept::lines(&parts.headers),
            body: Some(Vec::new()),
            bytes_max: self.0.settings.bytes_max,
        };
        let is_whole = http_body::Body::size_hint(&body).exact().is_some();
        let body = match is_whole {
            true => self.keep_whole(&claim, recorded, body).await,
            false => self.clone().keep_stream(claim, recorded, body),
        };
        Response::from_parts(parts, body)
    }

    /// Keeps an answer before its client has it.
    async fn keep_whole(&self, claim: &Claim, mut recorded: Recorded, body: Body) -> Body {
        let mut pieces = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => bytes.push(piece),
                Err(error) => {
                    self.give_back(claim).await;
                    let pieces = bytes.into_iter().map(Ok).chain([Err(error)]);
                    return Body::from_stream(stream::iter(pieces));
                }
            }
        }
        bytes.iter().for_each(|piece| recorded.add(piece));
        self.keep(claim, &recorded.answer()).await;
        match <[Bytes; 1]>::try_from(bytes) {
            Ok([only]) => Body::from(only),
            Err(several) => Body::from(several.concat()),
        }
    }

    /// Passes a stream on and keeps it at its end, which it comes to with or without its client.
    fn keep_stream(self, claim: Claim, mut recorded: Recorded, body: Body) -> Body {
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let mut pieces = body.into_data_stream();
        let shutdown = self.0.shutdown.clone();
        let mut client = Some(sender);
        let work = async move {
            let ticket = Ticket::claimed(claim.clone());
            let reading = async {
                while let Some(piece) = pieces.next().await {
                    let has_failed = piece.is_err();
                    if let Ok(bytes) = &piece {
                        recorded.add(bytes);
                    }
                    if let Some(sender) = &client
                        && sender.send(piece).await.is_err()
                    {
                        client = None;
                    }
                    if has_failed {
                        return false;
                    }
                }
                true
            };
            let is_whole = self.while_claimed(&ticket, reading).await;
            // A stream that had to end for a shutdown is none to give again.
            let was_cut = self.0.shutdown.streams_must_end().now_or_never().is_some();
            match is_whole && !was_cut {
                true => self.keep(&claim, &recorded.answer()).await,
                false => self.give_back(&claim).await,
            }
        };
        shutdown.spawn(work.in_current_span());
        let pieces = stream::unfold(receiver, |mut receiver| async {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        });
        Body::from_stream(pieces)
    }
}

/// An answer that is being written.
struct Recorded {
    status: u16,
    headers: String,
    /// Nothing once it is too large.
    body: Option<Vec<u8>>,
    bytes_max: usize,
}

impl Recorded {
    fn add(&mut self, piece: &[u8]) {
        let Some(body) = &mut self.body else { return };
        match body.len().saturating_add(piece.len()) <= self.bytes_max {
            true => body.extend_from_slice(piece),
            false => self.body = None,
        }
    }

    fn answer(self) -> KeptAnswer {
        KeptAnswer { status: self.status, headers: self.headers, body: self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_up_to_its_limit() {
        let recorded = |pieces: &[&[u8]]| {
            let (headers, body) = (String::new(), Some(Vec::new()));
            let mut recorded = Recorded { status: 200, headers, body, bytes_max: 4 };
            pieces.iter().for_each(|piece| recorded.add(piece));
            recorded.answer().body
        };
        assert_eq!(recorded(&[b"ab", b"cd"]).unwrap(), b"abcd");
        assert_eq!(recorded(&[b"ab", b"cde", b"f"]), None);
        assert_eq!(recorded(&[b"abcde"]), None);
    }
}

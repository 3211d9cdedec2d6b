//! One stream: a request and its response beside others on a connection.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, rt::Executor, service::Service};
use pin_project_lite::pin_project;

use super::resets::Resets;
use crate::serve::{
    HttpService, Limits,
    activity::Activity,
    exchange::{Exchange, Exchanges, GuardedBody, Refusal},
    spawner::Spawner,
    watchdog::Watchdog,
};

/// The most bytes of a body that are handed to the connection at once.
///
/// What is handed over waits there for the client, however large it is. In pieces, all but the
/// last one wait with their stream, which is watched.
const PIECE_BYTES: usize = 16 * 1024;

/// The stream whose request the connection has just read.
///
/// hyper gives each request to the service and, next, what the service returned to the executor.
/// This is how both learn that they speak of the same stream.
#[derive(Clone, Debug, Default)]
struct Newest(Arc<Mutex<Option<Arc<Activity>>>>);

impl Newest {
    fn put(&self, stream: Arc<Activity>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    fn take(&self) -> Option<Arc<Activity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The application as one connection sees it, and the tasks of its streams.
pub(super) fn streams<S>(
    exchanges: Exchanges<S>,
    limits: &Arc<Limits>,
    resets: &Arc<Resets>,
    spawner: Spawner,
) -> (Streams<S>, Tasks) {
    let newest = Newest::default();
    let tasks = Tasks { spawner, limits: Arc::clone(limits), newest: newest.clone() };
    let resets = Arc::clone(resets);
    (Streams { exchanges, headers_max: limits.headers, newest, resets }, tasks)
}

/// The application as one connection sees it.
#[derive(Debug)]
pub(super) struct Streams<S> {
    exchanges: Exchanges<S>,
    headers_max: usize,
    newest: Newest,
    resets: Arc<Resets>,
}

impl<S: HttpService> Service<Request<Incoming>> for Streams<S> {
    type Response = Response<StreamBody>;
    type Error = Infallible;
    type Future = StreamExchange<S>;

    fn call(&self, mut request: Request<Incoming>) -> StreamExchange<S> {
        let activity = Arc::new(Activity::of_stream());
        self.newest.put(Arc::clone(&activity));
        let exchange = match prepare(&mut request, self.headers_max) {
            Ok(()) => self.exchanges.call(request),
            Err(refusal) => self.exchanges.refuse(&request, refusal),
        };
        let answer = Answer { resets: Arc::clone(&self.resets), given: false };
        StreamExchange { exchange, activity, answer }
    }
}

/// Makes a request look as HTTP/1.1 would show it, as RFC 9113, section 8.3.1, has it.
fn prepare<B>(request: &mut Request<B>, headers_max: usize) -> Result<(), Refusal> {
    if request.headers().len() > headers_max {
        return Err(Refusal::TooManyHeaders);
    }
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    match request.headers().get(HOST) {
        Some(host) if host.as_bytes() == authority.as_str().as_bytes() => Ok(()),
        Some(_) => Err(Refusal::TwoHosts),
        None => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::NoHost)?;
            request.headers_mut().insert(HOST, host);
            Ok(())
        }
    }
}

/// Counts a reset if the request has no answer when it is dropped.
#[derive(Debug)]
struct Answer {
    resets: Arc<Resets>,
    given: bool,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.given {
            self.resets.count();
        }
    }
}

pin_project! {
    /// The future of one response.
    pub(super) struct StreamExchange<S>
    where
        S: HttpService,
    {
        #[pin]
        exchange: Exchange<S>,
        activity: Arc<Activity>,
        answer: Answer,
    }
}

impl<S: HttpService> Future for StreamExchange<S> {
    type Output = Result<Response<StreamBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match ready!(this.exchange.poll(cx)) {
            Ok(response) => response,
            Err(never) => match never {},
        };
        this.answer.given = true;
        let activity = Arc::clone(this.activity);
        Poll::Ready(Ok(response.map(|body| StreamBody { body, activity, rest: Bytes::new() })))
    }
}

pin_project! {
    /// A response body that comes in pieces, and tells whether its client takes them.
    #[derive(Debug)]
    pub(super) struct StreamBody {
        #[pin]
        body: GuardedBody,
        activity: Arc<Activity>,
        // Of a frame that was too large.
        rest: Bytes,
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        // hyper asks for more once the client has room for what it was given.
        this.activity.wrote();
        let frame = match this.rest.is_empty() {
            false => next_piece(this.rest),
            true => match ready!(this.body.poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            },
        };
        let frame = match frame.into_data() {
            Ok(data) if data.len() > PIECE_BYTES => {
                *this.rest = data;
                next_piece(this.rest)
            }
            Ok(data) => Frame::data(data),
            Err(other) => other,
        };
        this.activity.write_blocked();
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// Takes a piece off. The last one is copied, so that it does not keep the others in memory.
fn next_piece(rest: &mut Bytes) -> Frame<Bytes> {
    Frame::data(match rest.len() > PIECE_BYTES {
        true => rest.split_to(PIECE_BYTES),
        false => Bytes::copy_from_slice(&std::mem::take(rest)),
    })
}

/// Starts the tasks of streams.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    spawner: Spawner,
    limits: Arc<Limits>,
    newest: Newest,
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        match self.newest.take() {
            Some(activity) => {
                let watchdog = Watchdog::new(Arc::clone(&self.limits), activity);
                self.spawner.spawn(Watched { stream, watchdog });
            }
            None => self.spawner.spawn(stream),
        }
    }
}

pin_project! {
    /// A stream that is dropped, and with it reset, when its client does not read.
    struct Watched<F> {
        #[pin]
        stream: F,
        watchdog: Watchdog,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let waiting_for = ready!(this.watchdog.poll_expired(cx));
        tracing::debug!(?waiting_for, "stream reset: its client is too slow");
        Poll::Ready(())
    }
}

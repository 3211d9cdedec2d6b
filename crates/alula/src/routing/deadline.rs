//! The time that an endpoint has to answer.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{HttpError, Result};

/// What an endpoint came to: an answer, an error or a panic.
pub(super) type Caught<T> = Result<Result<T>, Box<dyn Any + Send>>;

/// Runs an endpoint until its time is over, if that is limited, and catches its panic. It is pinned
/// by whoever made it, so that nothing moves it.
pub(crate) async fn caught<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T>> + Unpin,
) -> Caught<T> {
    let work = AssertUnwindSafe(work).catch_unwind();
    match limit {
        None => work.await,
        Some(limit) => Deadline { work, limit, timer: None }.await,
    }
}

/// An endpoint at work, ended by a 504 when its time is over.
///
/// An endpoint that never waits has no timer, and does not read the clock.
struct Deadline<F> {
    work: F,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T, F: Future<Output = Caught<T>> + Unpin> Future for Deadline<F> {
    type Output = Caught<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Caught<T>> {
        match self.work.poll_unpin(cx) {
            Poll::Pending => expired(self.limit, &mut self.timer, cx),
            Poll::Ready(caught) => Poll::Ready(caught),
        }
    }
}

/// A limit too large to be added to the time is none.
fn expired<T>(
    limit: Duration,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Caught<T>> {
    if timer.is_none() {
        *timer = Instant::now().checked_add(limit).map(|due| Box::pin(sleep_until(due)));
    }
    let Some(timer) = timer else { return Poll::Pending };
    ready!(timer.as_mut().poll(cx));
    let seconds = limit.as_secs_f64();
    let detail = format!("The server did not answer within {seconds} s");
    Poll::Ready(Ok(Err(HttpError::new(504, detail))))
}

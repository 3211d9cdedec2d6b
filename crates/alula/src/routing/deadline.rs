//! The time that an endpoint has to answer.

use std::{
    any::Any,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{HttpError, Result};

/// What an endpoint came to: an answer, an error or a panic.
pub(super) type Caught<T> = Result<Result<T>, Box<dyn Any + Send>>;

/// An endpoint at work, ended by a 504 when its time is over.
///
/// An endpoint that never waits has no timer, and does not read the clock.
pub(crate) struct Deadline<F> {
    work: F,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F> Deadline<F> {
    pub(crate) fn new(limit: Duration, work: F) -> Self {
        Self { work, limit, timer: None }
    }
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

//! A stream that is held to the deadlines of its call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt as _};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Watch;
use crate::{Phase, Result, stream::Piece};

pin_project! {
    /// Pieces of an answer, each of which has to come in time.
    ///
    /// A piece that comes does not move the alarm, which would take a lock twice for each of them.
    /// An alarm that goes off looks how long the wait has really been, and is set again.
    pub(super) struct Held<S> {
        watch: Watch,
        provider: Box<str>,
        // Gone after the last item.
        pieces: Option<S>,
        // When the wait for the next piece began, if somebody waits.
        since: Option<Instant>,
        // Goes off at the deadline or earlier.
        #[pin]
        alarm: Option<Sleep>,
    }
}

impl<S> Held<S> {
    pub(super) fn new(watch: Watch, provider: &str, pieces: S) -> Self {
        let provider = provider.into();
        Self { watch, provider, pieces: Some(pieces), since: None, alarm: None }
    }
}

impl<S, T> Stream for Held<S>
where
    S: Stream<Item = Result<T>> + Unpin,
    T: Piece,
{
    type Item = Result<T>;

    /// Asks the provider first and the clock after it: what is there already is taken.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let Some(pieces) = this.pieces else { return Poll::Ready(None) };
        let since = *this.since.get_or_insert_with(Instant::now);
        let missed = match pieces.poll_next_unpin(cx) {
            Poll::Ready(Some(item)) => {
                *this.since = None;
                match this.watch.came(&item, since) {
                    None => return Poll::Ready(Some(item)),
                    Some(phase) => phase,
                }
            }
            Poll::Ready(None) => {
                *this.pieces = None;
                return Poll::Ready(None);
            }
            Poll::Pending => match this.watch.next(since) {
                Some(deadline) => ready!(poll_missed(this.alarm, deadline, cx)),
                None => return Poll::Pending,
            },
        };
        *this.pieces = None;
        Poll::Ready(Some(Err(this.watch.deadlines.error(missed, this.provider))))
    }
}

/// Ready when the deadline has passed.
fn poll_missed(
    mut alarm: Pin<&mut Option<Sleep>>,
    (at, phase): (Instant, Phase),
    cx: &mut Context<'_>,
) -> Poll<Phase> {
    match alarm.as_mut().as_pin_mut() {
        Some(later) if at < later.deadline() => later.reset(at),
        Some(_) => {}
        None => alarm.set(Some(sleep_until(at))),
    }
    while let Some(mut alarm) = alarm.as_mut().as_pin_mut() {
        ready!(alarm.as_mut().poll(cx));
        if at <= Instant::now() {
            break;
        }
        alarm.reset(at);
    }
    Poll::Ready(phase)
}

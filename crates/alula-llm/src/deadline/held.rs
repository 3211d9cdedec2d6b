//! A stream that is held to the deadlines of its call.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Watch;
use crate::{Phase, Result, stream::Piece};

/// Pieces of an answer, each of which has to come in time.
///
/// A piece that comes does not move the alarm, which would take a lock twice for each of them.
/// An alarm that goes off looks how long the wait has really been, and is set again.
pub(crate) struct Held<T> {
    watch: Watch,
    provider: Box<str>,
    /// Gone after the last item.
    pieces: Option<BoxStream<'static, Result<T>>>,
    /// When the wait for the next piece began, if somebody waits.
    since: Option<Instant>,
    alarm: Option<Alarm>,
}

impl<T> Held<T> {
    pub(super) fn new(watch: Watch, provider: &str, pieces: BoxStream<'static, Result<T>>) -> Self {
        let provider = provider.into();
        Self { watch, provider, pieces: Some(pieces), since: None, alarm: None }
    }
}

impl<T: Piece> Stream for Held<T> {
    type Item = Result<T>;

    /// Asks the provider first and the clock after it: what is there already is taken.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(pieces) = &mut this.pieces else { return Poll::Ready(None) };
        let (since, now) = match this.since {
            Some(since) => (since, None),
            None => {
                let now = Instant::now();
                (*this.since.insert(now), Some(now))
            }
        };
        let missed = match pieces.poll_next_unpin(cx) {
            Poll::Ready(Some(item)) => {
                this.since = None;
                match this.watch.came(&item, since) {
                    None => return Poll::Ready(Some(item)),
                    Some(phase) => phase,
                }
            }
            Poll::Ready(None) => {
                this.pieces = None;
                return Poll::Ready(None);
            }
            Poll::Pending => match this.watch.next(since) {
                Some(deadline) => ready!(Alarm::poll(&mut this.alarm, deadline, now, cx)),
                None => return Poll::Pending,
            },
        };
        this.pieces = None;
        Poll::Ready(Some(Err(this.watch.deadlines.error(missed, &this.provider))))
    }
}

/// Goes off at the deadline or earlier.
struct Alarm {
    at: Instant,
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes, once it has been asked.
    waker: Option<Waker>,
}

impl Alarm {
    fn set(at: Instant) -> Self {
        Self { at, timer: Box::pin(sleep_until(at)), waker: None }
    }

    fn reset(&mut self, at: Instant) {
        self.at = at;
        self.timer.as_mut().reset(at);
        self.waker = None;
    }

    /// Ready when the deadline has passed. `now` is known to whoever has just looked at the clock.
    fn poll(
        alarm: &mut Option<Self>,
        (at, phase): (Instant, Phase),
        now: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Phase> {
        let alarm = alarm.get_or_insert_with(|| Self::set(at));
        if at < alarm.at {
            alarm.reset(at);
        }
        let wakes = alarm.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if wakes && now.is_some_and(|now| now < alarm.at) {
            // It is far away in memory, and would only say so.
            return Poll::Pending;
        }
        loop {
            alarm.waker = Some(cx.waker().clone());
            ready!(alarm.timer.as_mut().poll(cx));
            if at <= Instant::now() {
                return Poll::Ready(phase);
            }
            alarm.reset(at);
        }
    }
}

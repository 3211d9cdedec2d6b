//! A timer for silence, cheap for those who are not silent.

use std::{
    future::Future as _,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Is ready after a time without activity, counted from the first wait.
///
/// Activity does not move the timer, which would cost a lock each time. When the timer fires, it
/// looks how long it has really been silent. A wait right after activity does not even look at the
/// timer, which is far away in memory. Before the first wait there is no timer, and the clock is
/// not read. A limit too large to be added to the time is none.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    limit: Duration,
    armed: Option<Armed>,
    /// Whether nobody waits, so that the next wait counts from its own beginning.
    paused: bool,
}

#[derive(Debug)]
struct Armed {
    since: Instant,
    /// There was activity since the last wait.
    is_active: bool,
    due: Instant,
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes.
    waker: Waker,
}

impl IdleTimer {
    /// A timer that nobody waits for yet.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, armed: None, paused: false }
    }

    /// Notes activity.
    pub(crate) fn active(&mut self) {
        if let Some(armed) = &mut self.armed {
            armed.since = Instant::now();
            armed.is_active = true;
        }
    }

    /// Counts no longer, until someone waits again.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// Ready when it has been silent for the limit, counted anew from then on.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let armed = match &mut self.armed {
            Some(armed) => armed,
            none => {
                let since = Instant::now();
                let Some(due) = since.checked_add(limit) else { return Poll::Pending };
                none.insert(Armed::new(since, due, cx.waker()))
            }
        };
        if mem::take(&mut self.paused) {
            armed.since = Instant::now();
        } else if armed.goes_off_later(cx) {
            return Poll::Pending;
        }
        armed.waker.clone_from(cx.waker());
        loop {
            ready!(armed.timer.as_mut().poll(cx));
            let now = Instant::now();
            let silence = now.duration_since(armed.since);
            let Some(left) = limit.checked_sub(silence).filter(|left| !left.is_zero()) else {
                // The next wait counts from here.
                self.armed = None;
                return Poll::Ready(());
            };
            armed.due = now + left;
            armed.timer.as_mut().reset(armed.due);
        }
    }
}

impl Armed {
    fn new(since: Instant, due: Instant, waker: &Waker) -> Self {
        let timer = Box::pin(sleep_until(due));
        Self { since, is_active: false, due, timer, waker: waker.clone() }
    }

    /// Whether the timer had not fired at the last activity, which was just now. If it has fired
    /// since, it wakes the same task once more.
    fn goes_off_later(&mut self, cx: &Context<'_>) -> bool {
        mem::take(&mut self.is_active) && self.since < self.due && self.waker.will_wake(cx.waker())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_the_last_activity() {
        let start = Instant::now();
        let mut timer = IdleTimer::new(Duration::from_secs(10));
        let mut context = Context::from_waker(Waker::noop());
        assert!(timer.poll(&mut context).is_pending());
        advance(Duration::from_secs(7)).await;
        timer.active();
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 17);
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 27);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_active_again_and_again_waits_from_the_last_time() {
        let start = Instant::now();
        let mut timer = IdleTimer::new(Duration::from_secs(10));
        for _ in 0..3 {
            let is_pending = poll_fn(|cx| Poll::Ready(timer.poll(cx).is_pending())).await;
            assert!(is_pending);
            advance(Duration::from_secs(7)).await;
            timer.active();
        }
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 31);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_counted() {
        let start = Instant::now();
        let mut timer = IdleTimer::new(Duration::from_secs(10));
        let mut context = Context::from_waker(Waker::noop());
        assert!(timer.poll(&mut context).is_pending());
        timer.pause();
        advance(Duration::from_secs(60)).await;
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_all_time_is_none() {
        let mut timer = IdleTimer::new(Duration::MAX);
        let mut context = Context::from_waker(Waker::noop());
        assert!(timer.poll(&mut context).is_pending());
        advance(Duration::from_secs(1 << 30)).await;
        assert!(timer.poll(&mut context).is_pending());
    }
}

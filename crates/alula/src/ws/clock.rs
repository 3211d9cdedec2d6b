//! Tells a client that is silent, slow or gone.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::Bounds;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Situation {
    /// A close frame was sent or received.
    pub(super) is_closing: bool,
    /// The client is read, so what it says is heard.
    pub(super) is_listening: bool,
    /// The client is owed bytes that the operating system does not take.
    pub(super) is_blocked: bool,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The client was silent for long enough to be asked.
    Ping,
    /// The client did not do its part in time.
    Over(&'static str),
}

/// The last time that a counter moved.
#[derive(Debug, Clone, Copy)]
struct Mark {
    count: u64,
    at: Instant,
}

impl Mark {
    fn note(&mut self, count: u64, now: Instant) -> bool {
        let has_moved = count != self.count;
        if has_moved {
            *self = Self { count, at: now };
        }
        has_moved
    }
}

/// Watches one connection. Polled after every exchange with the client.
#[derive(Debug)]
pub(super) struct Clock {
    limits: Bounds,
    heard: Mark,
    wrote: Mark,
    /// Since when a ping has had no answer.
    pinged: Option<Instant>,
    situation: Situation,
    /// Since when the situation is this one.
    since: Instant,
    /// Goes off at the deadline or earlier, so that a deadline that moves later costs nothing.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(limits: Bounds) -> Self {
        let now = Instant::now();
        let mark = Mark { count: 0, at: now };
        let situation = Situation { is_closing: false, is_listening: true, is_blocked: false };
        Self { limits, heard: mark, wrote: mark, pinged: None, situation, since: now, alarm: None }
    }

    /// Notes what happened since the last call: the counters of bytes, and where that led to.
    pub(super) fn note(&mut self, bytes_read: u64, bytes_written: u64, situation: Situation) {
        let now = Instant::now();
        // Whoever is not listened to is not silent, nor was until now.
        let has_listened = self.situation.is_listening && situation.is_listening;
        if self.heard.note(bytes_read, now) || !has_listened {
            self.heard.at = now;
            self.pinged = None;
        }
        self.wrote.note(bytes_written, now);
        if self.situation != situation {
            self.situation = situation;
            self.since = now;
        }
    }

    /// Ready when something is due.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let Some((deadline, due)) = self.next() else { return Poll::Pending };
            match &mut self.alarm {
                Some(alarm) if alarm.deadline() <= deadline => {}
                Some(alarm) => alarm.as_mut().reset(deadline),
                None => self.alarm = Some(Box::pin(sleep_until(deadline))),
            }
            if let Some(alarm) = &mut self.alarm {
                ready!(alarm.as_mut().poll(cx));
            }
            self.alarm = None;
            let now = Instant::now();
            if deadline <= now {
                if due == Due::Ping {
                    self.pinged = Some(now);
                }
                return Poll::Ready(due);
            }
        }
    }

    /// The next deadline. One that is too far away to be reckoned is none.
    fn next(&self) -> Option<(Instant, Due)> {
        let Situation { is_closing, is_listening, is_blocked } = self.situation;
        let limits = &self.limits;
        let after = |start: Instant, limit: Duration, due| Some((start.checked_add(limit)?, due));
        let moved = self.since.max(self.wrote.at);
        if is_closing {
            return after(moved, limits.close_timeout, Due::Over("the close was not answered"));
        }
        let write = is_blocked
            .then(|| after(moved, limits.write_stall, Due::Over("the client does not read")));
        let read = is_listening.then(|| match self.pinged {
            Some(pinged) => {
                after(pinged, limits.pong_timeout, Due::Over("a ping was not answered"))
            }
            None => after(self.heard.at, limits.ping_interval, Due::Ping),
        });
        let deadlines = [write.flatten(), read.flatten()].into_iter().flatten();
        deadlines.min_by_key(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::advance;

    use super::*;
    use crate::ws::Limits;

    const OPEN: Situation = Situation { is_closing: false, is_listening: true, is_blocked: false };

    async fn due(clock: &mut Clock) -> (Due, u64) {
        let start = Instant::now();
        let due = poll_fn(|cx| clock.poll_due(cx)).await;
        (due, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_asked_and_then_ends() {
        let mut clock = Clock::new(Limits::default().bounds());
        assert_eq!(due(&mut clock).await, (Due::Ping, 20));
        assert_eq!(due(&mut clock).await, (Due::Over("a ping was not answered"), 20));
    }

    #[tokio::test(start_paused = true)]
    async fn any_byte_is_an_answer() {
        let mut clock = Clock::new(Limits::default().bounds());
        assert_eq!(due(&mut clock).await, (Due::Ping, 20));
        advance(Duration::from_secs(10)).await;
        clock.note(1, 0, OPEN);
        assert_eq!(due(&mut clock).await, (Due::Ping, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_listened_to_is_not_silent() {
        let mut clock = Clock::new(Limits::default().bounds());
        assert_eq!(due(&mut clock).await.0, Due::Ping);
        clock.note(0, 0, Situation { is_listening: false, ..OPEN });
        assert!(poll_fn(|cx| Poll::Ready(clock.poll_due(cx))).await.is_pending());
        advance(Duration::from_secs(100)).await;
        clock.note(0, 0, OPEN);
        assert_eq!(due(&mut clock).await, (Due::Ping, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_something_has_new_time() {
        let mut clock = Clock::new(Limits::default().ping_interval(Duration::MAX).bounds());
        let blocked = Situation { is_blocked: true, ..OPEN };
        clock.note(0, 1, blocked);
        advance(Duration::from_secs(20)).await;
        clock.note(0, 2, blocked);
        assert_eq!(due(&mut clock).await, (Due::Over("the client does not read"), 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_has_its_own_limit() {
        let mut clock = Clock::new(Limits::default().bounds());
        advance(Duration::from_secs(15)).await;
        clock.note(0, 0, Situation { is_closing: true, ..OPEN });
        assert_eq!(due(&mut clock).await, (Due::Over("the close was not answered"), 5));
    }
}

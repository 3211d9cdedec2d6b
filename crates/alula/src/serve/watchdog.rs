//! Holds a client to the limits in time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Limits,
    activity::{Activity, Moment, WaitingFor},
};

/// How long a client that has its response may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// How long a connection is idle before a shutdown closes it.
///
/// A client that has just connected, or has just read its answer, is likely to be sending the next
/// request by now. To close on it would lose that request; after this time it has arrived.
const IDLE_WHEN_CLOSING: Duration = Duration::from_millis(250);

/// Ends a connection whose client does not do its part in time.
///
/// It is polled after hyper, by the same task, and finds out what hyper now waits for. Nothing
/// else has to start or stop a clock.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Arc<Limits>,
    activity: Arc<Activity>,
    seen: Moment,
    /// When the wait that was seen began. Means nothing while it is our turn.
    since: Instant,
    /// The server closes what is idle.
    closing: bool,
    /// Goes off at the deadline or earlier.
    ///
    /// A deadline that moves later does not touch it: it goes off early, finds that out, and is
    /// set again. So a busy connection that is reused sets a timer once per `idle`, not once per
    /// request, and a stream that flows has none soon after its start.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    pub(super) fn new(limits: Arc<Limits>, activity: Arc<Activity>) -> Self {
        let seen = activity.now();
        Self { limits, activity, seen, since: Instant::now(), closing: false, alarm: None }
    }

    /// From here on an idle connection is one that idles for a moment.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Ready when the client's time is up, with what it did not do.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<WaitingFor> {
        let now = self.activity.now();
        if now != self.seen {
            self.seen = now;
            if now.waiting_for.is_some() {
                self.since = Instant::now();
            }
        }
        loop {
            let deadline = self.deadline();
            ready!(self.poll_alarm(deadline, cx));
            match (deadline, self.seen.waiting_for) {
                (Some(deadline), Some(waiting_for)) => {
                    if deadline <= Instant::now() {
                        return Poll::Ready(waiting_for);
                    }
                    self.alarm = Some(Box::pin(sleep_until(deadline)));
                }
                _ => {
                    self.alarm = None;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when the alarm goes off, or when one is needed and none is set.
    fn poll_alarm(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(alarm) = &mut self.alarm else { return Poll::Ready(()) };
        if let Some(deadline) = deadline
            && deadline < alarm.deadline()
        {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx)
    }

    /// When the client's time is up; `None` while it is our turn.
    fn deadline(&self) -> Option<Instant> {
        let limit = match self.seen.waiting_for? {
            WaitingFor::Request if self.closing => IDLE_WHEN_CLOSING,
            WaitingFor::Request => self.limits.idle,
            WaitingFor::Head => self.limits.header_read,
            WaitingFor::Reader => self.limits.write_stall,
            WaitingFor::Close => LINGER,
        };
        // A limit too large to add is no limit.
        self.since.checked_add(limit)
    }
}

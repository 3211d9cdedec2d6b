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

/// Ends a connection whose client does not do its part in time.
///
/// It is polled after hyper, by the same task, and finds out what hyper now waits for. Nothing
/// else has to start or stop a clock.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Arc<Limits>,
    activity: Arc<Activity>,
    seen: Moment,
    /// When the client's time is up; `None` while it is our turn.
    deadline: Option<Instant>,
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
        let mut watchdog = Self { limits, activity, seen, deadline: None, alarm: None };
        watchdog.deadline = watchdog.deadline_from_now();
        watchdog
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Ready when the client's time is up, with what it did not do.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<WaitingFor> {
        let now = self.activity.now();
        if now != self.seen {
            self.seen = now;
            self.deadline = self.deadline_from_now();
        }
        loop {
            ready!(self.poll_alarm(cx));
            match (self.deadline, self.seen.waiting_for) {
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
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(alarm) = &mut self.alarm else { return Poll::Ready(()) };
        if let Some(deadline) = self.deadline
            && deadline < alarm.deadline()
        {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx)
    }

    fn deadline_from_now(&self) -> Option<Instant> {
        let limit = match self.seen.waiting_for? {
            WaitingFor::Request => self.limits.idle,
            WaitingFor::Head => self.limits.header_read,
            WaitingFor::Reader => self.limits.write_stall,
            WaitingFor::Close => LINGER,
        };
        // A limit too large to add is no limit.
        Instant::now().checked_add(limit)
    }
}

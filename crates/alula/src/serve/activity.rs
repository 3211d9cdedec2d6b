//! What one connection is doing, as seen from both of its ends.
//!
//! hyper keeps its state to itself, so the state is observed: bytes come in and go out through
//! [`GuardedIo`](super::guarded_io::GuardedIo), requests and the end of responses pass through
//! [`Exchanges`](super::exchange::Exchanges). The [`Watchdog`](super::watchdog::Watchdog) reads it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
};

/// The client that a connection waits for, if it waits for its client at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// The first byte of the next request.
    Request,
    /// The rest of a request's head.
    Head,
    /// Room for the bytes that it is owed.
    Reader,
    /// Its side of the close.
    Close,
}

/// A point in the life of a connection: two that are equal have no event between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) waiting_for: Option<WaitingFor>,
    /// Number of events until now, wrapping.
    event: u32,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const CLOSING: u8 = 3;

/// Shared by the parts of one connection.
///
/// With HTTP/1.1 all of them run in the connection's own task, one after the other; the atomics are
/// there because the parts must be `Send`. The streams of HTTP/2 have tasks of their own, and only
/// count here. So relaxed ordering is enough.
#[derive(Debug, Default)]
pub(super) struct Activity {
    phase: AtomicU8,
    /// The last write found no room.
    write_blocked: AtomicBool,
    /// The client may send bytes that nobody reads: the rest of a body, or another request.
    expects_more: AtomicBool,
    /// The client is asked to use another connection from now on.
    leaving: AtomicBool,
    /// Several requests at a time: `phase` means nothing, and bytes come in for many reasons.
    multiplexed: AtomicBool,
    /// Requests in flight, if there may be several.
    streams: AtomicU32,
    /// Counts what restarts the clock of a limit.
    events: AtomicU32,
}

impl Activity {
    /// That of one stream, whose request is in flight.
    pub(super) fn of_stream() -> Self {
        Self { phase: AtomicU8::new(BUSY), ..Self::default() }
    }

    /// From here on there are several requests at a time.
    pub(super) fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
        self.count();
    }

    /// Bytes came in. While a request is in flight they belong to its body; else to a head.
    ///
    /// More bytes of a head are no event: its limit runs from the first byte. One case looks
    /// different from here than it is: the start of a head that came in behind a request in
    /// flight counts as idle until more of it comes.
    pub(super) fn received(&self) {
        if !self.multiplexed.load(Relaxed) && self.phase.load(Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// Bytes went out.
    pub(super) fn wrote(&self) {
        let was_blocked = self.write_blocked.swap(false, Relaxed);
        // The answer to a ping does not make a connection busy.
        if was_blocked || !self.multiplexed.load(Relaxed) {
            self.count();
        }
    }

    /// A write found no room. Trying again is no event.
    pub(super) fn write_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    /// The client has sent something that nobody asked for.
    pub(super) fn expect_more(&self) {
        self.expects_more.store(true, Relaxed);
    }

    /// The connection ends between two requests: nothing of the last one is under way.
    pub(super) fn expect_no_more_when_idle(&self) {
        if self.phase.load(Relaxed) == IDLE {
            self.expects_more.store(false, Relaxed);
        }
    }

    pub(super) fn expects_more(&self) -> bool {
        self.expects_more.load(Relaxed) || self.phase.load(Relaxed) == HEAD
    }

    /// From here on each answer is the last one on its connection.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Our side is closed, and the client's is not.
    pub(super) fn closing(&self) {
        self.multiplexed.store(false, Relaxed);
        if self.phase.load(Relaxed) != CLOSING {
            self.enter(CLOSING);
        }
    }

    /// A request is complete up to its body. It is in flight until the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, has_body: bool) -> InFlight {
        if self.multiplexed.load(Relaxed) {
            self.streams.fetch_add(1, Relaxed);
            self.count_stream();
        } else {
            self.expects_more.store(has_body, Relaxed);
            self.enter(BUSY);
        }
        InFlight { activity: Arc::clone(self) }
    }

    pub(super) fn now(&self) -> Moment {
        let waiting_for = if self.write_blocked.load(Relaxed) {
            Some(WaitingFor::Reader)
        } else {
            match self.phase() {
                IDLE => Some(WaitingFor::Request),
                HEAD => Some(WaitingFor::Head),
                CLOSING => Some(WaitingFor::Close),
                _ => None,
            }
        };
        Moment { waiting_for, event: self.events.load(Relaxed) }
    }

    fn phase(&self) -> u8 {
        match self.multiplexed.load(Relaxed) {
            false => self.phase.load(Relaxed),
            true if self.streams.load(Relaxed) > 0 => BUSY,
            true => IDLE,
        }
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Relaxed);
        self.count();
    }

    /// A stream began or ended. To ask for more is not to read what one is owed.
    fn count_stream(&self) {
        if !self.write_blocked.load(Relaxed) {
            self.count();
        }
    }

    fn count(&self) {
        self.events.fetch_add(1, Relaxed);
    }
}

/// Held from the call of the service to the end of the response body.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
}

impl InFlight {
    /// Whether the answer to this request is the last one on its connection.
    pub(super) fn is_last(&self) -> bool {
        self.activity.leaving.load(Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.activity.multiplexed.load(Relaxed) {
            self.activity.streams.fetch_sub(1, Relaxed);
            self.activity.count_stream();
        } else {
            self.activity.enter(IDLE);
        }
    }
}

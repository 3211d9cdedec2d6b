//! How a server is told to stop, and how everything in it learns of it.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

use super::signal::StopSignals;

/// A handle to the shutdown of a server; clones are the same handle.
///
/// A shutdown has phases and an end:
///
/// 1. [`stopping`](Self::stopping): a readiness check says no. For the time of
///    [`Limits::drain_delay`](super::Limits#structfield.drain_delay), which is none by default,
///    the server goes on, but asks the clients of HTTP/1.1 to use another connection.
/// 2. No new connections are accepted, idle ones close, requests go on.
/// 3. [`streams_must_end`](Self::streams_must_end): a response that would never end by itself
///    sends its last words now.
/// 4. The deadline of [`Limits::drain`](super::Limits#structfield.drain), or
///    [`end_now`](Self::end_now): what is still open is dropped.
#[derive(Clone, Default)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Begins first; whatever begins a later one begins this one, too.
    stopping: Arc<Phase>,
    /// No new connections.
    closing: Arc<Phase>,
    streams_must_end: Arc<Phase>,
    /// Begins last: whoever still works is dropped.
    end: Arc<Phase>,
    /// Work that outlives its request; a server waits for it.
    tasks: TaskTracker,
    /// Connections that have left HTTP; a server waits for them, too.
    sessions: TaskTracker,
    /// Holds the signal listener, for which nobody waits.
    listener: TaskTracker,
}

/// A phase, and whoever waits for it.
#[derive(Debug, Default)]
struct Phase {
    /// The same as of the token, which takes a lock to say so.
    has_begun: AtomicBool,
    token: CancellationToken,
}

impl Phase {
    fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.token.cancel();
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }
}

impl Shutdown {
    /// A shutdown that only [`trigger`](Self::trigger) and [`end_now`](Self::end_now) start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that SIGTERM and SIGINT (Ctrl-C) start; a second signal ends it at once.
    ///
    /// Where there are no such signals, Ctrl-C alone does it.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut signals = StopSignals::new()?;
        let handle = shutdown.clone();
        shutdown.listen(async move {
            let signal = signals.next().await;
            // First of all, whatever becomes of the log.
            handle.trigger();
            tracing::info!(signal, "stopping; a second signal ends at once");
            let signal = signals.next().await;
            handle.end_now();
            tracing::warn!(signal, "ending at once");
        });
        Ok(shutdown)
    }

    /// Runs what starts this shutdown. Nobody waits for it.
    pub(super) fn listen(&self, signals: impl Future<Output = ()> + Send + 'static) {
        self.inner.listener.spawn(signals);
    }

    /// Starts the shutdown. Further calls change nothing.
    pub fn trigger(&self) {
        self.inner.stopping.begin();
    }

    /// Ends the shutdown without waiting: open connections are dropped.
    pub fn end_now(&self) {
        self.tell_streams();
        self.inner.end.begin();
    }

    /// Waits for the start of the shutdown.
    pub fn stopping(&self) -> ShutdownPhase {
        ShutdownPhase::of(&self.inner.stopping)
    }

    /// Waits for the moment at which endless responses must finish.
    ///
    /// It comes [`Limits::stream_grace`](super::Limits#structfield.stream_grace) before the
    /// deadline. A server-sent-events body awaits it beside its own source, yields a last event
    /// and ends.
    pub fn streams_must_end(&self) -> ShutdownPhase {
        ShutdownPhase::of(&self.inner.streams_must_end)
    }

    /// Whether the shutdown has started, for a readiness check.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.has_begun()
    }

    /// Runs a task that outlives its request; the server waits for it before it ends.
    ///
    /// It has until the deadline of the shutdown; then the server ends without it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.tasks.spawn(task)
    }

    /// Runs what a connection does after it has left HTTP; what it leaves to do is a task.
    #[cfg(feature = "ws")]
    pub(crate) fn spawn_session(&self, session: impl Future<Output = ()> + Send + 'static) {
        self.inner.sessions.spawn(session);
    }

    /// Waits for sessions, then for the tasks that they and others have left.
    pub(crate) async fn wait_for_work(&self) {
        self.inner.sessions.close();
        self.inner.sessions.wait().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// How many sessions and tasks are left.
    pub(super) fn work_left(&self) -> usize {
        self.inner.sessions.len() + self.inner.tasks.len()
    }

    /// The work started with [`spawn`](Self::spawn).
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Waits for the end, after which nothing goes on.
    pub(crate) fn ended(&self) -> ShutdownPhase {
        ShutdownPhase::of(&self.inner.end)
    }

    /// Waits for the moment from which on nothing new is accepted.
    pub(super) fn closing(&self) -> ShutdownPhase {
        ShutdownPhase::of(&self.inner.closing)
    }

    /// Starts the shutdown without the delay.
    pub(super) fn close(&self) {
        self.trigger();
        self.inner.closing.begin();
    }

    /// Has what would never end by itself end now.
    pub(crate) fn tell_streams(&self) {
        self.close();
        self.inner.streams_must_end.begin();
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("stopping", &self.is_stopping())
            .field("streams_must_end", &self.inner.streams_must_end.has_begun())
            .field("ended", &self.inner.end.has_begun())
            .field("tasks", &self.inner.tasks.len())
            .finish()
    }
}

pin_project! {
    /// A future that is ready once a phase of a [`Shutdown`] has begun.
    ///
    /// It can be polled from a response body, and again after it was ready. To poll it for a task
    /// that waits already takes no lock: a stream does so at every event.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ShutdownPhase {
        phase: Arc<Phase>,
        #[pin]
        begun: WaitForCancellationFutureOwned,
        // Who is woken when it begins.
        waits: Option<Waker>,
    }
}

impl ShutdownPhase {
    fn of(phase: &Arc<Phase>) -> Self {
        let begun = phase.token.clone().cancelled_owned();
        Self { phase: phase.clone(), begun, waits: None }
    }
}

impl Future for ShutdownPhase {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.phase.has_begun() {
            return Poll::Ready(());
        }
        if this.waits.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let begun = this.begun.poll(cx);
        *this.waits = begun.is_pending().then(|| cx.waker().clone());
        begun
    }
}

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{StoreError, store::Claim};

/// What happens in a worker: for metrics.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use alula_jobs::{Event, Outcome};
///
/// static FAILED: AtomicU64 = AtomicU64::new(0);
///
/// fn observe(event: &Event<'_>) {
///     if let Event::Ended { outcome: Outcome::Failed, .. } = event {
///         FAILED.fetch_add(1, Relaxed);
///     }
/// }
/// # let _: fn(&Event<'_>) = observe;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step begins.
    Claimed {
        /// What was claimed.
        claim: &'a Claim,
        /// How long it has waited since it could have begun.
        waited: Duration,
    },
    /// An attempt has ended, and the store knows of it.
    Ended {
        /// What was claimed.
        claim: &'a Claim,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        ran: Duration,
    },
    /// A job was cancelled, or its lease ran out and another worker may have it: its handler was
    /// stopped, or its end did not count.
    Lost {
        /// What was claimed.
        claim: &'a Claim,
    },
    /// The store could not be used. It is asked again until it can.
    StoreFailed {
        /// For what.
        doing: &'static str,
        /// Why not.
        error: &'a StoreError,
    },
}

/// How an attempt has ended.
///
/// ```
/// use alula_jobs::Outcome;
///
/// assert_eq!(Outcome::Retried.as_str(), "retried");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The step has succeeded.
    Succeeded,
    /// It failed, and is tried again.
    Retried,
    /// It failed, and so has the job.
    Failed,
    /// It was no attempt: it begins anew.
    Released,
}

impl Outcome {
    /// Its name, for a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Released => "released",
        }
    }
}

type Observe = dyn Fn(&Event<'_>) + Send + Sync;

/// Who is told of events.
#[derive(Clone, Default)]
pub(super) struct Observer(Option<Arc<Observe>>);

impl Observer {
    pub(super) fn new(observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Whoever listens cannot end a worker.
    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(observe) = &self.0
            && catch_unwind(AssertUnwindSafe(|| observe(event))).is_err()
        {
            tracing::error!("what observes a worker has panicked");
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "no observer" })
    }
}

//! What happens before the first request and after the last.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::state::States;
use crate::{error::Result, serve::Shutdown};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Lifespan = Box<dyn FnOnce(Startup) -> BoxFuture<Result<Startup>> + Send>;

/// An application that is starting: takes states, and what to do at shutdown.
///
/// ```
/// use alula::App;
///
/// struct Pool;
/// impl Pool {
///     async fn connect() -> std::io::Result<std::sync::Arc<Self>> {
///         Ok(std::sync::Arc::new(Self))
///     }
///     async fn close(&self) {}
/// }
///
/// let app = App::new("Shop", "1.0.0").lifespan(|startup| async move {
///     let pool = Pool::connect().await?;
///     let closing = pool.clone();
///     Ok(startup.shared_state(pool).on_shutdown(async move { closing.close().await }))
/// });
/// ```
#[must_use = "return it from the lifespan function"]
pub struct Startup {
    pub(super) states: States,
    closing: Closing,
}

impl Startup {
    pub(super) fn new(states: States, closing: Closing) -> Self {
        Self { states, closing }
    }

    /// Adds a singleton that endpoints get as [`State<T>`](crate::State).
    pub fn state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.shared_state(Arc::new(state))
    }

    /// Adds a singleton that is shared already, or known by a trait only; see
    /// [`App::shared_state`](crate::App::shared_state).
    pub fn shared_state<T: ?Sized + Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    /// Does this after the last request, its tasks and its exits; last added first.
    ///
    /// It is also done if the start is broken off after this: by an error here, in the lifespan of
    /// a mounted application or in the routes, or by a shutdown. So add it as soon as there is
    /// something to close.
    pub fn on_shutdown(self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.closing.push(work);
        self
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup").field("states", &self.states).finish_non_exhaustive()
    }
}

/// What is left to do after the last request. Clones are the same list.
///
/// It is kept outside of the start, which a shutdown drops where it stands.
#[derive(Clone, Default)]
pub(crate) struct Closing(Arc<Mutex<Vec<BoxFuture<()>>>>);

/// What the end of a lifespan has at least, also after a drain that took all of its time.
const END_MIN: Duration = Duration::from_secs(1);

impl Closing {
    fn push(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(work));
    }

    /// Does this last of all.
    #[cfg(feature = "otel")]
    pub(super) fn push_last(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(0, Box::pin(work));
    }

    /// Closes what lifespans have opened, the last first.
    pub(super) async fn run(&self) {
        while let Some(work) = self.pop() {
            work.await;
        }
    }

    fn pop(&self) -> Option<BoxFuture<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// The same in the time that a shutdown has left, or soon after it was told to end at once.
    pub(super) async fn run_within(&self, left: Duration, shutdown: &Shutdown) {
        let left = left.max(END_MIN);
        let at_once = async {
            shutdown.ended().await;
            tokio::time::sleep(END_MIN).await;
        };
        tokio::select! {
            biased;
            () = self.run() => return,
            () = tokio::time::sleep(left) => {}
            () = at_once => {}
        }
        tracing::warn!("the end of the lifespan did not finish in time");
    }
}

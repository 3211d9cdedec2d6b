//! What happens before the first request and after the last.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::state::States;
use crate::error::Result;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// What is left to do after the last request.
pub(super) type AtEnd = BoxFuture<()>;
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
    pub(super) shutdown: Vec<AtEnd>,
}

impl Startup {
    pub(super) fn new(states: States) -> Self {
        Self { states, shutdown: Vec::new() }
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
    pub fn on_shutdown(mut self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown.push(Box::pin(work));
        self
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup").field("states", &self.states).finish_non_exhaustive()
    }
}

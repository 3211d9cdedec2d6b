//! What runs after a request: background tasks, then exits.

use std::{
    fmt,
    future::Future,
    mem,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use http::{Extensions, StatusCode};
use tracing::Instrument as _;

use crate::{error::Panic, input::RequestId, serve::Shutdown};

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type Exit = Box<dyn FnOnce(Outcome) -> BoxFuture + Send>;

/// How a request, or an attempt at a job, ended, as an exit sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole response went out; the job is done.
    Ok,
    /// The endpoint answered with an error, or its response broke off, or a job failed (then 500).
    Error(StatusCode),
    /// The client left before the response was complete. A job was stopped, or took too long.
    Disconnected,
    /// The endpoint panicked.
    Panicked,
}

/// The request as a scope: dependencies register here what must run at its end.
///
/// An exit runs when the response body is finished and the background tasks are done, last
/// registered first, with the [`Outcome`]. On an error it runs before the error is sent.
/// Shutdown waits for exits.
///
/// ```
/// use alula::{Depends, Outcome, Scope, dependency};
///
/// struct Transaction;
/// impl Transaction {
///     async fn commit(&self) {}
///     async fn roll_back(&self) {}
/// }
///
/// #[dependency]
/// async fn transaction(scope: Scope) -> std::sync::Arc<Transaction> {
///     let transaction = std::sync::Arc::new(Transaction);
///     let ending = transaction.clone();
///     scope.on_exit(|outcome| async move {
///         match outcome {
///             Outcome::Ok => ending.commit().await,
///             _ => ending.roll_back().await,
///         }
///     });
///     transaction
/// }
/// ```
#[derive(Clone)]
pub struct Scope(Arc<Registered>);

/// Work to do after the response, in order, in the same process.
///
/// It is not run for an endpoint that failed or whose client left before it answered. What must
/// survive a crash belongs in a job instead, with the feature `jobs`.
///
/// ```
/// use alula::{BackgroundTasks, Json};
///
/// async fn order(tasks: BackgroundTasks) -> Json<&'static str> {
///     tasks.add(async { println!("mail sent") });
///     Json("accepted")
/// }
/// ```
#[derive(Clone)]
pub struct BackgroundTasks(Arc<Registered>);

/// What was registered during one request.
#[derive(Default)]
struct Registered {
    returns: Mutex<Vec<Exit>>,
    tasks: Mutex<Vec<BoxFuture>>,
    exits: Mutex<Vec<Exit>>,
    /// For the log.
    request_id: Option<RequestId>,
}

impl Scope {
    /// Runs `exit` at the end of the request.
    pub fn on_exit<F, Fut>(&self, exit: F)
    where
        F: FnOnce(Outcome) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        push(&self.0.exits, boxed(exit));
    }

    /// Runs `exit` as soon as the endpoint has returned, before the response starts.
    ///
    /// FastAPI calls this a dependency of function scope. Use it for what a stream must not hold,
    /// such as a database connection.
    pub fn on_return<F, Fut>(&self, exit: F)
    where
        F: FnOnce(Outcome) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        push(&self.0.returns, boxed(exit));
    }
}

impl BackgroundTasks {
    /// Adds work that runs after the response was sent, after the tasks added before. A task may
    /// add others.
    ///
    /// A panic in a task is logged and stops the tasks behind it.
    pub fn add(&self, task: impl Future<Output = ()> + Send + 'static) {
        push(&self.0.tasks, Box::pin(task));
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl fmt::Debug for BackgroundTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackgroundTasks")
    }
}

fn boxed<F, Fut>(exit: F) -> Exit
where
    F: FnOnce(Outcome) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::new(|outcome| Box::pin(exit(outcome)))
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

fn is_empty<T>(list: &Mutex<Vec<T>>) -> bool {
    list.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

fn pop<T>(list: &Mutex<Vec<T>>) -> Option<T> {
    list.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn take<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Registered {
    fn request_id(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }

    fn is_empty(&self) -> bool {
        is_empty(&self.tasks) && is_empty(&self.exits) && is_empty(&self.returns)
    }

    /// Runs everything that is left: tasks if the outcome allows it, then exits.
    async fn finish(self: Arc<Self>, outcome: Outcome, run_tasks: bool) {
        self.run_exits(&self.returns, outcome).await;
        if run_tasks {
            self.run_tasks().await;
        }
        // A task that does not run may hold the scope, and so itself.
        drop(take(&self.tasks));
        self.run_exits(&self.exits, outcome).await;
    }

    /// Runs tasks in their order, and those that they add behind them.
    async fn run_tasks(&self) {
        let mut tasks = take(&self.tasks).into_iter();
        loop {
            let Some(task) = tasks.next() else {
                tasks = take(&self.tasks).into_iter();
                match tasks.len() {
                    0 => return,
                    _ => continue,
                }
            };
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let (panic, request_id) = (Panic::of(&*panic), self.request_id());
                tracing::error!(
                    request_id,
                    %panic,
                    "a background task panicked; the tasks behind it do not run"
                );
                return;
            }
        }
    }

    /// Runs exits, last registered first, and so those that an exit registers right after it; one
    /// that panics does not stop the others.
    async fn run_exits(&self, exits: &Mutex<Vec<Exit>>, outcome: Outcome) {
        while let Some(exit) = pop(exits) {
            let exit = AssertUnwindSafe(async move { exit(outcome).await });
            if let Err(panic) = exit.catch_unwind().await {
                let (panic, request_id) = (Panic::of(&*panic), self.request_id());
                tracing::error!(request_id, ?outcome, %panic, "an exit of a dependency panicked");
            }
        }
    }
}

/// One request's scope. Dropping it unfinished means that the client left.
pub(crate) struct RequestScope {
    registered: Option<Arc<Registered>>,
    shutdown: Shutdown,
}

impl RequestScope {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self { registered: None, shutdown }
    }

    pub(crate) fn scope(&mut self, request: &Extensions) -> Scope {
        Scope(self.registered(request))
    }

    pub(crate) fn tasks(&mut self, request: &Extensions) -> BackgroundTasks {
        BackgroundTasks(self.registered(request))
    }

    /// Made on first use: most requests have nothing to do at their end.
    fn registered(&mut self, request: &Extensions) -> Arc<Registered> {
        let make = || Registered { request_id: request.get().cloned(), ..Registered::default() };
        self.registered.get_or_insert_with(|| Arc::new(make())).clone()
    }

    /// Whether nothing is left to run after the response, and nothing can be added any more: a
    /// stream may hold the scope or the tasks, and add to them while it runs.
    pub(crate) fn is_unused(&self) -> bool {
        let is_unused = |left: &Arc<Registered>| left.is_empty() && Arc::strong_count(left) == 1;
        self.registered.as_ref().is_none_or(is_unused)
    }

    /// Runs what was registered for the return of the endpoint.
    pub(crate) async fn returned(&self, outcome: Outcome) {
        let Some(registered) = self.registered.clone() else { return };
        if !is_empty(&registered.returns) {
            let exits = async move { registered.run_exits(&registered.returns, outcome).await };
            self.run_before_the_answer(exits).await;
        }
    }

    /// Runs the exits of a request that failed, before its error is sent.
    pub(crate) async fn failed(mut self, outcome: Outcome) {
        if let Some(registered) = self.registered.take().filter(|left| !left.is_empty()) {
            self.run_before_the_answer(registered.finish(outcome, false)).await;
        }
    }

    /// Runs exits, and tasks if all went well, and waits for them: the end of a job.
    #[cfg(feature = "jobs")]
    pub(crate) async fn ended(mut self, outcome: Outcome) {
        if let Some(registered) = self.registered.take().filter(|left| !left.is_empty()) {
            let exits = registered.finish(outcome, outcome == Outcome::Ok);
            self.run_before_the_answer(exits).await;
        }
    }

    /// Runs exits on the tracker, so that a client that leaves meanwhile does not stop them.
    async fn run_before_the_answer(&self, exits: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = self.shutdown.spawn(exits.in_current_span()).await {
            tracing::error!(%error, "the exits of a request did not finish");
        }
    }

    /// Runs exits, and tasks if they may, after the response; does not wait for them.
    pub(crate) fn finish(&mut self, outcome: Outcome, run_tasks: bool) {
        let Some(registered) = self.registered.take().filter(|left| !left.is_empty()) else {
            return;
        };
        // A body can be dropped after its runtime is gone; nothing can run then.
        if tokio::runtime::Handle::try_current().is_ok() {
            let work = registered.finish(outcome, run_tasks);
            #[cfg(feature = "otel")]
            let work = work.instrument(crate::otel::after_response());
            self.shutdown.spawn(work);
        }
    }
}

impl Drop for RequestScope {
    fn drop(&mut self) {
        self.finish(Outcome::Disconnected, false);
    }
}

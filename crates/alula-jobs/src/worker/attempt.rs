use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};

use super::{Shared, dispatch::Slot, ends::Ending};
use crate::{
    Failure, Handler, JobContext, Output, StoreError,
    handler::{Attempt, Kind},
    store::{Claim, Next},
};

/// Makes an attempt, and sends its end on its way. The slot is free then.
pub(super) async fn make(shared: Arc<Shared>, handler: Handler, attempt: Arc<Attempt>, slot: Slot) {
    let (began, claim) = (Instant::now(), &attempt.claim);
    let leaving = Leaving { shared: &shared, claim };
    let result = tokio::select! {
        biased;
        // Whoever stopped it has seen to the rest.
        () = attempt.stop.cancelled() => return,
        result = call(&shared, &handler, &attempt) => result,
    };
    let next = match result.and_then(|output| follow(&shared, output)) {
        Ok(next) => next,
        Err(failure) => after(&shared, &handler, claim, failure),
    };
    if shared.registry.end(claim.held) {
        // It is closed only when the worker is dropped.
        let _ = slot.ends.send(Ending::new(claim, next, began.elapsed())).await;
    }
    drop(leaving);
}

/// Sees to it that nothing stays behind of an attempt whose handler panicked while it was dropped:
/// its lease is not renewed, and it is tried again.
struct Leaving<'a> {
    shared: &'a Shared,
    claim: &'a Claim,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.registry.lose(self.claim.held);
    }
}

/// Calls the handler: what it gave, or why it gave nothing.
async fn call(
    shared: &Shared,
    handler: &Handler,
    attempt: &Arc<Attempt>,
) -> Result<Output, Failure> {
    let limit = handler.timeout_of_attempt();
    let context = JobContext::new(Arc::clone(attempt), shared.queue.clone());
    // The handler has left nothing of ours half done, whatever it has left of its own.
    let call = AssertUnwindSafe(async {
        timeout(limit, handler.call(&attempt.claim.args, context)).await
    });
    match call.catch_unwind().await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::new(format!("it took longer than {limit:?}"))),
        Err(panic) => Err(Failure::new(format!("it panicked: {}", message(&*panic)))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of no text")
}

/// What follows a success, if it can be kept.
fn follow(shared: &Shared, output: Output) -> Result<Next, Failure> {
    let Output { result, children } = output;
    let too_large = |error: StoreError| Failure::terminal(error);
    shared.queue.check_args(&result).map_err(too_large)?;
    shared.queue.check_all(&children).map_err(too_large)?;
    match children.is_empty() {
        true => Ok(Next::Done(result)),
        false => Ok(Next::Children { result, children }),
    }
}

/// What follows a failure.
fn after(shared: &Shared, handler: &Handler, claim: &Claim, failure: Failure) -> Next {
    let now = shared.queue.time().now();
    let Failure { kind, error, result } = failure;
    let result = result.filter(|result| shared.queue.check_args(result).is_ok());
    match kind {
        Kind::Later(pause) => {
            tracing::debug!("it begins anew in {pause:?}");
            Next::Release { at: now + pause }
        }
        Kind::Again(least) if claim.attempt < claim.step.max_attempts => {
            let pause = least.max(handler.pause(claim.attempt));
            tracing::warn!("it failed, and is tried again in {pause:.1?}: {error}");
            Next::Retry { at: now + pause, error }
        }
        Kind::Again(_) | Kind::Terminal => {
            tracing::error!("it failed, and is given up: {error}");
            Next::Fail { error, result }
        }
    }
}

/// It was no attempt: nobody has begun it.
pub(super) fn released(claim: &Arc<Claim>) -> Ending {
    // It keeps its place.
    let at = claim.run_at;
    Ending::new(claim, Next::Release { at }, Duration::ZERO)
}

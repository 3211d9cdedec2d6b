//! From a job to what a worker calls.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use alula_jobs::{Failure, Handler, JobContext};
use axum::body::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::value::RawValue;

use super::{JobDefinition, JobError as _};
use crate::{
    dependency::{Outcome, RequestScope},
    error::HttpError,
    input::{BodyLimits, Input, Rejection, RequestContext},
    openapi::{Operation, Plan},
    serve::Shutdown,
};

/// Plans a job: what its inputs need is prepared, and what they cannot have noted as a mistake.
pub(crate) fn handler<J: JobDefinition>(
    plan: &mut Plan,
    limits: BodyLimits,
    shutdown: &Shutdown,
) -> Handler {
    let step = J::step();
    let title = format!("job `{}`", step.name);
    // The document tells of requests.
    let input = plan.undocumented(|plan| J::Input::plan(&mut Operation::of_job(plan, &title)));
    let planned = Arc::new(Planned::<J> { input, limits, shutdown: shutdown.clone() });
    let run = move |args: Box<RawValue>, job: JobContext| {
        let planned = Arc::clone(&planned);
        async move {
            let attempt = planned.attempt(args, job.clone());
            #[cfg(feature = "otel")]
            let attempt = crate::otel::traced_attempt(&job, attempt);
            attempt.await
        }
    };
    let handler = Handler::new(step.name, run)
        .queue(step.queue)
        .max_attempts(step.max_attempts)
        .backoff(J::backoff());
    match J::timeout() {
        Some(timeout) => handler.timeout(timeout),
        None => handler,
    }
}

/// A job with everything that its attempts need.
struct Planned<J: JobDefinition> {
    input: <J::Input as Input>::Plan,
    limits: BodyLimits,
    /// Waits for the exits of attempts that are dropped.
    shutdown: Shutdown,
}

impl<J: JobDefinition> Planned<J> {
    /// Makes an attempt. Its exits have run when it is over; those of one that is dropped run
    /// after it.
    async fn attempt(&self, args: Box<RawValue>, job: JobContext) -> Result<J::Value, Failure> {
        let scope = RequestScope::new(self.shutdown.clone());
        let args = Bytes::from(String::from(Box::<str>::from(args)));
        let mut cx = RequestContext::of_job(job, args, self.limits, scope);
        let result = AssertUnwindSafe(self.call(&mut cx)).catch_unwind().await;
        let outcome = match &result {
            Ok(Ok(_)) => Outcome::Ok,
            Ok(Err(_)) => Outcome::Error(StatusCode::INTERNAL_SERVER_ERROR),
            Err(_) => Outcome::Panicked,
        };
        cx.into_scope().ended(outcome).await;
        // The worker tells of a panic.
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn call(&self, cx: &mut RequestContext) -> Result<J::Value, Failure> {
        let input = match J::Input::extract(&self.input, cx).await {
            Ok(input) if cx.details_len() == 0 => input,
            Err(Rejection::Error(error)) => return Err(error.into_failure()),
            Ok(_) | Err(Rejection::Invalid) => {
                return Err(HttpError::validation(cx.take_details()).into_failure());
            }
        };
        J::attempt(input).await
    }
}

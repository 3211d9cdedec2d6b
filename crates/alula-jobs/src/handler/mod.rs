//! What is done for a step.

mod backoff;
mod context;
mod failure;
mod output;

use std::{fmt, future::ready, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use self::{
    backoff::Backoff,
    context::JobContext,
    failure::Failure,
    output::{IntoOutput, Output},
};
pub(crate) use self::{
    context::Attempt,
    failure::{Kind, shortened},
};
use crate::Step;

/// How long an attempt may take by default: 15 minutes.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The function of a handler, whatever its arguments and its result are.
type Run =
    dyn Fn(&RawValue, JobContext) -> BoxFuture<'static, Result<Output, Failure>> + Send + Sync;

/// A name, and the function that does the steps of this name.
///
/// It may be called more than once for a step: a worker can be killed after the last line of it.
/// What it does outside must bear that.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::{Failure, Handler, JobContext};
///
/// let embed = Handler::new("embed.v1", |text: String, job: JobContext| async move {
///     println!("attempt {} of {}", job.attempt(), job.max_attempts());
///     Ok::<_, Failure>(text.len())
/// })
/// .queue("documents")
/// .max_attempts(3)
/// .timeout(Duration::from_secs(60));
/// assert_eq!(embed.step().queue, "documents");
/// ```
#[derive(Clone)]
pub struct Handler {
    step: Step,
    timeout: Duration,
    backoff: Backoff,
    run: Arc<Run>,
}

impl Handler {
    /// A function for the steps of this name, in the queue `default`. Its arguments are read from
    /// those of the job; if they cannot be, the job has failed, and says where in them.
    pub fn new<A, F, R, O>(name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(A, JobContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
        O: IntoOutput,
    {
        let run = move |args: &RawValue, job: JobContext| match read(args) {
            Ok(args) => {
                let result = function(args, job);
                Box::pin(async move { result.await?.into_output() }) as BoxFuture<'static, _>
            }
            Err(failure) => Box::pin(ready(Err(failure))),
        };
        Self {
            step: Step::new(name),
            timeout: TIMEOUT,
            backoff: Backoff::default(),
            run: Arc::new(run),
        }
    }

    /// Its steps wait in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.step = self.step.queue(queue);
        self
    }

    /// Its steps are tried so often; five times by default.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.step = self.step.max_attempts(attempts);
        self
    }

    /// An attempt that takes longer has failed, and is dropped: 15 minutes by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to wait between attempts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// A step for it.
    pub fn step(&self) -> Step {
        self.step.clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.step.name
    }

    pub(crate) fn queue_name(&self) -> &str {
        &self.step.queue
    }

    pub(crate) fn timeout_of_attempt(&self) -> Duration {
        self.timeout
    }

    /// How long to wait after so many attempts.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        self.backoff.after(attempts)
    }

    /// Calls the function. It may panic, at once or later.
    pub(crate) fn call(
        &self,
        args: &RawValue,
        job: JobContext,
    ) -> BoxFuture<'static, Result<Output, Failure>> {
        (self.run)(args, job)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("step", &self.step)
            .field("timeout", &self.timeout)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

fn read<A: DeserializeOwned>(args: &RawValue) -> Result<A, Failure> {
    let mut json = serde_json::Deserializer::from_str(args.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.inner());
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        Failure::terminal(format!("the arguments cannot be read{place}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::to_raw_value;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Args {
        #[expect(dead_code, reason = "only read")]
        pages: Vec<u32>,
    }

    #[test]
    fn arguments_that_cannot_be_read_say_where() {
        for (args, expected) in [
            (serde_json::json!({"pages": [1, "two"]}), " at `pages[1]`: invalid type"),
            (serde_json::json!({}), "cannot be read: missing field `pages`"),
        ] {
            let failure = read::<Args>(&to_raw_value(&args).unwrap()).unwrap_err();
            assert_eq!(failure.kind, Kind::Terminal);
            assert!(failure.error.contains(expected), "{failure}");
        }
    }
}

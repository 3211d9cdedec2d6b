//! What `#[job]` makes of a function.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use alula_jobs::{Backoff, Failure, IntoOutput, Step};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{input::Input, validate::Validate};

/// What may be the first argument of a job: it is kept as JSON, and checked when it is read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a job is called with",
    note = "the first argument of a job is kept as JSON; its type needs \
            `#[derive(Serialize, Deserialize, JsonSchema, Validate)]`",
    note = "inputs such as `Depends<D>` and `State<T>` come after it"
)]
pub trait JobArgs: Serialize + DeserializeOwned + JsonSchema + Validate + Send + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + Validate + Send + 'static> JobArgs for T {}

/// A job that an application can do.
///
/// `#[job]` on a function is the usual way to get one; this is what it expands to.
///
/// ```
/// use alula::{
///     State,
///     jobs::{Args, Failure, JobDefinition, Step},
/// };
///
/// struct Greet;
///
/// impl JobDefinition for Greet {
///     type Args = String;
///     type Value = String;
///     type Input = (Args<String>, State<&'static str>);
///
///     fn step() -> Step {
///         Step::new("greet.v1").queue("mail")
///     }
///
///     async fn attempt((Args(name), greeting): Self::Input) -> Result<String, Failure> {
///         Ok(format!("{} {name}", *greeting))
///     }
/// }
/// ```
pub trait JobDefinition: Send + Sync + 'static {
    /// What it is enqueued with.
    type Args: JobArgs;
    /// What it gives: the next step of a chain is called with it.
    type Value: IntoOutput + Send + 'static;
    /// What it is called with, [`Args`](super::Args) of its own among them.
    type Input: Input;

    /// Its name, the queue it waits in, and how often it is tried. A job whose arguments change
    /// takes another name, so that what is enqueued already finds the old one.
    fn step() -> Step;

    /// How long an attempt may take; 15 minutes unless it says otherwise.
    fn timeout() -> Option<Duration> {
        None
    }

    /// How long to wait between attempts.
    fn backoff() -> Backoff {
        Backoff::default()
    }

    /// Does it.
    fn attempt(input: Self::Input) -> impl Future<Output = Result<Self::Value, Failure>> + Send;
}

/// What a function with `#[job]` returns: its own future, and which job it is.
///
/// A unit test awaits it for what the function returns.
#[must_use = "futures do nothing unless polled"]
pub struct JobFuture<J, R> {
    future: Pin<Box<dyn Future<Output = R> + Send>>,
    job: PhantomData<fn() -> J>,
}

impl<J, R> JobFuture<J, R> {
    /// A call of the job.
    pub fn new(future: impl Future<Output = R> + Send + 'static) -> Self {
        Self { future: Box::pin(future), job: PhantomData }
    }
}

impl<J, R> Future for JobFuture<J, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.future.as_mut().poll(cx)
    }
}

impl<J, R> fmt::Debug for JobFuture<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobFuture")
    }
}

/// A function with `#[job]`, as it is enqueued and given to the application.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    note = "put `#[job]` on the function"
)]
pub trait JobFn<Arguments> {
    /// What is known of it.
    type Job: JobDefinition;
}

macro_rules! job_fn {
    ($($Type:ident)*) => {
        impl<Function, J, R, $($Type),*> JobFn<($($Type,)*)> for Function
        where
            Function: Fn($($Type),*) -> JobFuture<J, R>,
            J: JobDefinition,
        {
            type Job = J;
        }
    };
}

job_fn!();
job_fn!(A);
job_fn!(A B);
job_fn!(A B C);
job_fn!(A B C D);
job_fn!(A B C D E);
job_fn!(A B C D E F);
job_fn!(A B C D E F G);
job_fn!(A B C D E F G H);
job_fn!(A B C D E F G H I);
job_fn!(A B C D E F G H I K);
job_fn!(A B C D E F G H I K L);
job_fn!(A B C D E F G H I K L M);

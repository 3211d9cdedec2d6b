use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{Failure, NewJob};

/// What a step gave, where that is more than a value: jobs that the next step waits for.
///
/// The next step is called with the result when all children have ended, however they did, and
/// finds them by the id of its job. Without a next step the job has succeeded then.
///
/// ```
/// use alula_jobs::{Failure, Handler, JobContext, NewJob, Output, Step};
///
/// let split = Handler::new("split.v1", async |pages: Vec<u32>, _: JobContext| {
///     let children = pages.iter().map(|page| NewJob::new(Step::new("page.v1"), page));
///     let children = children.collect::<Result<Vec<_>, _>>()?;
///     Ok::<_, Failure>(Output::children(&pages.len(), children)?)
/// });
/// assert_eq!(split.step().name, "split.v1");
/// ```
#[derive(Debug)]
pub struct Output {
    pub(crate) result: Box<RawValue>,
    pub(crate) children: Vec<NewJob>,
}

impl Output {
    /// A result, and jobs to wait for.
    ///
    /// # Errors
    ///
    /// If the result is no JSON.
    pub fn children(
        result: &(impl Serialize + ?Sized),
        children: Vec<NewJob>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self { result: to_raw_value(result)?, children })
    }
}

/// What a handler may return: whatever can be JSON, or an [`Output`].
pub trait IntoOutput {
    /// What the step gave.
    ///
    /// # Errors
    ///
    /// If it is no JSON, which another attempt would not change.
    fn into_output(self) -> Result<Output, Failure>;
}

impl<T: Serialize> IntoOutput for T {
    fn into_output(self) -> Result<Output, Failure> {
        let unreadable = |error| Failure::terminal(format!("the result cannot be kept: {error}"));
        Output::children(&self, Vec::new()).map_err(unreadable)
    }
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, Failure> {
        Ok(self)
    }
}

//! What a job asks for.

use alula_jobs::JobContext;

use super::{JobArgs, Jobs};
use crate::{
    error::{HttpError, Result},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
    schema::{Loc, Shape, json},
};

/// What a job was enqueued with, read and checked as the body of a request.
///
/// `#[job]` makes it of the first argument of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Args<T>(pub T);

/// How the arguments of a job are read.
#[doc(hidden)]
#[derive(Debug)]
pub struct ArgsPlan(Shape);

impl<T: JobArgs> Input for Args<T> {
    type Plan = ArgsPlan;

    fn plan(operation: &mut Operation<'_>) -> ArgsPlan {
        operation.needs_job("`Args<T>`");
        let root = operation.input_schema::<T>();
        ArgsPlan(operation.compile::<T>(&root))
    }

    async fn extract(plan: &ArgsPlan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let details = match json::parse::<T>(&plan.0, &cx.bytes().await?, false) {
            Ok(args) => return Ok(Self(args)),
            // The store keeps JSON only.
            Err(json::Refused::NotUtf8) => {
                return Err(HttpError::bad_request("The arguments are not UTF-8").into());
            }
            Err(json::Refused::Syntax(detail)) => vec![*detail],
            Err(json::Refused::Invalid(details)) => details,
        };
        Err(cx.reject_all(details.into_iter().map(|mut detail| {
            if let Some(place) = detail.loc.first_mut() {
                *place = Loc::from("args");
            }
            detail
        })))
    }
}

impl Input for JobContext {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.needs_job("a `JobContext`");
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let job = cx.extensions().get::<Self>().cloned();
        Ok(job.ok_or_else(|| HttpError::internal("this is no job"))?)
    }
}

impl Input for Jobs {
    type Plan = Option<Self>;

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        operation.state::<Self>().map(|jobs| Self::clone(&jobs))
    }

    async fn extract(plan: &Self::Plan, _: &mut RequestContext) -> Result<Self, Rejection> {
        // An application without a queue does not start, so this error is never seen.
        Ok(plan.clone().ok_or_else(|| HttpError::internal("the queue is missing"))?)
    }
}

//! What an error means for a job.

use std::time::Duration;

use alula_jobs::Failure;
use http::{StatusCode, header};

use crate::error::{ApiError, HttpError};

/// The error of a job: an [`ApiError`], [`HttpError`] among them, or a [`Failure`].
///
/// An error whose status is from 400 to 499 is not tried again, but for 408, 425 and 429; any other
/// one is, not sooner than its `Retry-After` says.
///
/// ```
/// use alula::{HttpError, jobs::JobError};
///
/// let failure = HttpError::not_found("no such document").into_failure();
/// assert_eq!(failure.to_string(), "404 Not Found: no such document");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a job",
    note = "return `alula::Result<T>`, a `Failure`, or an error with `#[derive(alula::ApiError)]`"
)]
pub trait JobError {
    /// Whether it is tried again, and what is kept of it.
    fn into_failure(self) -> Failure;
}

impl<E: ApiError> JobError for E {
    fn into_failure(self) -> Failure {
        failure(&self.into_http())
    }
}

impl JobError for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

fn failure(error: &HttpError) -> Failure {
    let status = error.status();
    let may_pass =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_client_error() && !may_pass.contains(&status) {
        return Failure::terminal(error.to_string());
    }
    Failure::new(error.to_string()).after(retry_after(error).unwrap_or_default())
}

/// The pause that an error asks for, if it does so in seconds.
fn retry_after(error: &HttpError) -> Option<Duration> {
    let (_, value) = error.headers().find(|(name, _)| **name == header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

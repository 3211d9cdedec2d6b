use std::{error::Error, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;

/// How many bytes of an error are kept.
const ERROR_BYTES_MAX: usize = 4096;

/// Why a step did not succeed, and whether it is tried again.
///
/// Every error becomes one that is tried again, so that `?` does what is right for most.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::Failure;
///
/// fn fetch(status: u16) -> Result<u64, Failure> {
///     match status {
///         200 => Ok("42".parse()?),
///         404 => Err(Failure::terminal("there is no such document")),
///         429 => Err(Failure::new("too many requests").after(Duration::from_secs(30))),
///         503 => Err(Failure::later(Duration::from_secs(5))),
///         _ => Err(Failure::new(format!("the answer was {status}"))),
///     }
/// }
/// assert_eq!(fetch(200).unwrap(), 42);
/// assert_eq!(fetch(404).unwrap_err().to_string(), "there is no such document");
/// ```
#[derive(Debug)]
pub struct Failure {
    pub(crate) kind: Kind,
    pub(crate) error: String,
    pub(crate) result: Option<Box<RawValue>>,
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is tried again, if there are attempts left; not sooner than after this.
    Again(Duration),
    /// Another attempt would be in vain.
    Terminal,
    /// It was no attempt, and begins anew after this.
    Later(Duration),
}

impl Failure {
    /// It is tried again while there are attempts left, after the pause of the handler's
    /// [`Backoff`](crate::Backoff).
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(Kind::Again(Duration::ZERO), error.into().as_ref())
    }

    /// Another attempt would be in vain: the job has failed.
    pub fn terminal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(Kind::Terminal, error.into().as_ref())
    }

    /// It cannot be done now, and that is nobody's fault: it begins anew after so long, and does
    /// not count as an attempt. It has no end; what may never work is [`new`](Self::new).
    pub fn later(pause: Duration) -> Self {
        Self { kind: Kind::Later(pause), error: "not now".to_owned(), result: None }
    }

    /// It is not tried again sooner than after this, even if the backoff is shorter.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        if let Kind::Again(least) = &mut self.kind {
            *least = pause;
        }
        self
    }

    /// What it gave nevertheless: the result of the job, if it fails with this.
    ///
    /// # Errors
    ///
    /// If the result is no JSON.
    pub fn result(mut self, result: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        self.result = Some(serde_json::value::to_raw_value(result)?);
        Ok(self)
    }

    fn of(kind: Kind, error: &dyn Error) -> Self {
        Self { kind, error: told(error), result: None }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(Kind::Again(Duration::ZERO), &error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

/// An error with its causes, each once: many tell theirs themselves.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause.filter(|_| text.len() < ERROR_BYTES_MAX) {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    shortened(text, ERROR_BYTES_MAX)
}

/// At most so many bytes of a text, and whole characters of it.
pub(crate) fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the page is missing")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("no such file: {0}")]
    struct Inner(#[source] std::fmt::Error);

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let failure = Failure::from(Outer(Inner(std::fmt::Error)));
        let cause = std::fmt::Error.to_string();
        assert_eq!(failure.to_string(), format!("the page is missing: no such file: {cause}"));
        assert_eq!(failure.kind, Kind::Again(Duration::ZERO));
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let failure = Failure::terminal(format!("x{}", "é".repeat(ERROR_BYTES_MAX)));
        assert_eq!(failure.error.len(), ERROR_BYTES_MAX - 1);
    }

    #[test]
    fn only_what_is_tried_again_has_a_pause() {
        let pause = Duration::from_secs(9);
        assert_eq!(Failure::new("x").after(pause).kind, Kind::Again(pause));
        assert_eq!(Failure::terminal("x").after(pause).kind, Kind::Terminal);
    }
}

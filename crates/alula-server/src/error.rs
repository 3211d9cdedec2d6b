//! How a failed call to a provider is answered.

use std::time::Duration;

use alula::{ApiError, HttpError};
use alula_llm::Error;

/// Seconds to wait after a failure whose end nobody knows.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a call was not answered.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It was not let in.
    Refused(HttpError),
    /// An error of a provider.
    ///
    /// The client reads what it can act on: its own mistakes in the provider's words, ours and the
    /// provider's without details. The log reads everything.
    Provider(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Provider(error)
    }
}

impl From<HttpError> for CallError {
    fn from(error: HttpError) -> Self {
        Self::Refused(error)
    }
}

impl ApiError for CallError {
    fn into_http(self) -> HttpError {
        match self {
            Self::Refused(error) => error,
            Self::Provider(error) => with_status(error.public_status(), error),
        }
    }
}

/// The answer of this status, with the time to wait where waiting helps.
pub(crate) fn with_status(status: u16, error: Error) -> HttpError {
    let http = HttpError::new(status, error.public_message());
    if !error.is_retryable() {
        return http.because(error);
    }
    let wait = error.retry_after().map_or(RETRY_AFTER_SECONDS, whole_seconds);
    http.retry_after(wait).because(error)
}

/// A mistake of a client in a field, which clients of OpenAI are told as `param`.
pub(crate) fn wrong(param: &str, message: impl Into<String>) -> HttpError {
    HttpError::bad_request(serde_json::json!({ "message": message.into(), "param": param }))
}

/// Seconds, rounded up: who waits less is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use alula_llm::{ErrorKind, Phase};

    use super::*;

    fn answered(kind: ErrorKind) -> (u16, Option<String>) {
        let error = Error::new(kind, "sk-secret was refused").with_provider("openai");
        let http = CallError::Provider(error).into_http();
        let wait = http.headers().find(|(name, _)| *name == "retry-after");
        (http.status().as_u16(), wait.map(|(_, value)| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn every_failure_has_its_status_and_a_time_to_wait_where_waiting_helps() {
        let retry_after = Some(Duration::from_millis(2500));
        let wait = |seconds: &str| Some(seconds.to_owned());
        assert_eq!(answered(ErrorKind::RateLimited { retry_after }), (429, wait("3")));
        assert_eq!(answered(ErrorKind::Overloaded { retry_after: None }), (503, wait("5")));
        let phase = Phase::FirstToken;
        assert_eq!(answered(ErrorKind::Timeout { phase }), (504, wait("5")));
        assert_eq!(answered(ErrorKind::Connect), (502, wait("5")));
        assert_eq!(answered(ErrorKind::InvalidRequest), (400, None));
        assert_eq!(answered(ErrorKind::Auth), (502, None));
    }

    #[test]
    fn our_own_trouble_with_a_provider_is_not_told() {
        let error = Error::new(ErrorKind::Auth, "key sk-secret is wrong").with_provider("openai");
        let http = CallError::Provider(error).into_http();
        assert!(!http.detail().to_string().contains("sk-secret"));
        assert!(http.log_message().contains("is wrong"));
    }
}

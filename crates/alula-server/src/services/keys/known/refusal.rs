//! Why a request is not let in.

use std::sync::Arc;

use alula::{
    ApiError, HttpError,
    http::{HeaderValue, header},
};

/// Seconds after which a database that is away is asked again by a client.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Why a key is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "This server needs a key: send it as `Authorization: Bearer sk-alula-…` or as `x-api-key`"
    )]
    Missing,
    #[error("This is not a key of this server; its keys begin with `sk-alula-`")]
    Malformed,
    #[error("This key is unknown")]
    Unknown,
    #[error("This key is revoked")]
    Revoked,
    #[error("This key has expired")]
    Expired,
    #[error("The plan {0:?} of this key is no longer there")]
    NoPlan(Arc<str>),
    /// The scopes that it takes.
    #[error("This key may not do this, which takes the scope {0}")]
    Scope(Arc<str>),
    #[error("The database is away, so keys cannot be looked up; try again in a moment")]
    Away,
}

impl ApiError for Refusal {
    fn into_http(self) -> HttpError {
        let challenge = match &self {
            Self::Missing => HeaderValue::from_static("Bearer"),
            Self::Malformed | Self::Unknown | Self::Revoked | Self::Expired => {
                HeaderValue::from_static("Bearer error=\"invalid_token\"")
            }
            Self::Scope(scopes) => {
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
                let error = HttpError::forbidden(self.to_string());
                return match HeaderValue::try_from(challenge) {
                    Ok(challenge) => error.header(header::WWW_AUTHENTICATE, challenge),
                    // It cannot be, as the names of scopes are ours.
                    Err(_) => error,
                };
            }
            Self::NoPlan(_) => return HttpError::forbidden(self.to_string()),
            Self::Away => {
                return HttpError::new(503, self.to_string()).retry_after(RETRY_AFTER_SECONDS);
            }
        };
        HttpError::new(401, self.to_string()).header(header::WWW_AUTHENTICATE, challenge)
    }
}

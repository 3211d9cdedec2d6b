//! Why a document is not taken.

use alula::{ApiError, Detail, HttpError};
use alula_rag::KindError;

use super::ObjectError;
use crate::{
    db::DbError,
    services::{jobs::failed as jobs_failed, retrieval::store_failed},
};

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Kind(#[from] KindError),
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// The key has enough of them.
    #[error("this key may have {0}")]
    Quota(String),
    /// Enough of them are being processed.
    #[error("this key may have {0} documents that are processed; try again when some are ready")]
    TooManyProcessed(u64),
    #[error("too many files are being sent; try again in a moment")]
    Busy,
    /// Its sender takes too long.
    #[error("the file arrives more slowly than {0} bytes in a second")]
    Slow(u64),
    /// Its bytes were known, and their document was removed at the same time.
    #[error("the same document was being removed; send it again")]
    Removed,
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Jobs(#[from] alula_jobs::StoreError),
    #[error(transparent)]
    Chunks(#[from] alula_rag::StoreError),
    /// The bytes did not come.
    #[error("{}", .0.log_message())]
    Request(HttpError),
}

/// Seconds until there may be a place for an upload again, and for one more document of a key.
const RETRY_AFTER_SECONDS: u64 = 2;
const PROCESSED_SECONDS: u64 = 5;

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        Self::Request(error)
    }
}

impl Refusal {
    /// A stable name of the reason.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Kind(error) => error.code(),
            Self::TooLarge(_) => "too_large",
            Self::Quota(_) => "quota_exceeded",
            Self::TooManyProcessed(_) => "too_many_processed",
            Self::Busy => "busy",
            Self::Slow(_) => "too_slow",
            Self::Removed => "removed",
            Self::Objects(_) | Self::Db(_) | Self::Jobs(_) | Self::Chunks(_) => "unavailable",
            Self::Request(_) => "bad_request",
        }
    }
}

impl ApiError for Refusal {
    fn into_http(self) -> HttpError {
        let (code, text) = (self.code(), capital(&self.to_string()));
        let status = match self {
            Self::Kind(KindError::Empty { .. } | KindError::Encrypted { .. }) => {
                return HttpError::validation(vec![Detail {
                    kind: "value_error".into(),
                    loc: vec!["body".into(), "file".into()],
                    msg: format!("Value error, {self}"),
                    input: serde_json::Value::Null,
                    ctx: Some(serde_json::json!({ "error": {} })),
                }]);
            }
            Self::Kind(_) => 415,
            Self::TooLarge(_) => 413,
            Self::Quota(_) => 403,
            Self::Removed => 409,
            Self::Slow(_) => 408,
            Self::TooManyProcessed(_) => {
                return HttpError::new(429, text).retry_after(PROCESSED_SECONDS).code(code);
            }
            Self::Busy => {
                return HttpError::unavailable(text).retry_after(RETRY_AFTER_SECONDS).code(code);
            }
            Self::Objects(error) => return error.into_http(),
            Self::Db(error) => return error.into_http(),
            Self::Jobs(error) => return jobs_failed(error),
            Self::Chunks(error) => return store_failed(error),
            Self::Request(error) => return error,
        };
        HttpError::new(status, text).code(code)
    }
}

/// A sentence of words that stand within others elsewhere.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

//! Error types of a program's own.

use super::HttpError;
use crate::openapi::Operation;

/// An error type of your own that an endpoint may return.
///
/// [`#[derive(ApiError)]`](derive@crate::ApiError) writes it from attributes, with a status for
/// each variant:
///
/// ```
/// use alula::prelude::*;
///
/// #[derive(Debug, ApiError)]
/// enum PayError {
///     /// The card was declined.
///     #[api(status = 402, code = "card_declined")]
///     Declined,
///     #[api(status = 429, detail = "Wait {seconds} seconds", retry_after = seconds)]
///     TooMany { seconds: u32 },
///     #[api(status = 500)]
///     Storage { source: std::io::Error },
/// }
///
/// async fn pay() -> Result<Json<u32>, PayError> {
///     Err(PayError::TooMany { seconds: 3 })
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Shop", "1.0.0").route(alula::get("/pay", pay)).client().await;
/// let response = client.get("/pay").await;
/// assert_eq!((response.status().as_u16(), response.header("retry-after")), (429, "3"));
/// assert_eq!(response.text(), r#"{"detail":"Wait 3 seconds"}"#);
/// # });
/// ```
///
/// By hand:
///
/// ```
/// use alula::{ApiError, HttpError, Operation};
///
/// enum PayError {
///     Declined,
/// }
///
/// impl PayError {
///     fn declined() -> HttpError {
///         HttpError::new(402, "The card was declined").code("card_declined")
///     }
/// }
///
/// impl ApiError for PayError {
///     fn into_http(self) -> HttpError {
///         match self {
///             Self::Declined => Self::declined(),
///         }
///     }
///
///     fn describe(operation: &mut Operation<'_>) {
///         operation.error(&Self::declined(), "The card was declined.");
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an endpoint",
    note = "put `#[derive(alula::ApiError)]` on it, or return `alula::Result<T>`"
)]
pub trait ApiError {
    /// What the client and the log will read.
    fn into_http(self) -> HttpError;

    /// Adds the statuses of this error to an endpoint's documentation.
    fn describe(operation: &mut Operation<'_>) {
        let _ = operation;
    }
}

impl ApiError for HttpError {
    fn into_http(self) -> HttpError {
        self
    }
}

/// What `retry_after = field` of `#[derive(ApiError)]` may name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number of seconds",
    note = "`retry_after` names a field of `u8` to `u64` or `Duration`, or an `Option` of one of them"
)]
pub trait RetryAfter {
    /// The seconds to wait, if that is known.
    fn seconds(&self) -> Option<u64>;
}

macro_rules! retry_after {
    ($($Integer:ty)*) => {$(
        impl RetryAfter for $Integer {
            fn seconds(&self) -> Option<u64> {
                Some((*self).into())
            }
        }
    )*};
}

retry_after!(u8 u16 u32 u64);

/// Rounded up, so that no client comes too early.
impl RetryAfter for std::time::Duration {
    fn seconds(&self) -> Option<u64> {
        Some(self.as_secs().saturating_add(u64::from(self.subsec_nanos() > 0)))
    }
}

impl<T: RetryAfter> RetryAfter for Option<T> {
    fn seconds(&self) -> Option<u64> {
        self.as_ref().and_then(RetryAfter::seconds)
    }
}

impl<T: RetryAfter + ?Sized> RetryAfter for &T {
    fn seconds(&self) -> Option<u64> {
        (**self).seconds()
    }
}

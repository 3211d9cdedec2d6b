//! One endpoint, two kinds of answer.

use axum::body::Body;
use http::Response;

use super::{Output, ResponseContext};
use crate::{error::Result, openapi::Operation};

/// One of two: answers, both documented, such as JSON or a stream, as in every LLM API.
///
/// As an argument it is the first of two [credentials](crate::Credential) that is there.
///
/// ```
/// use alula::{Either, Json, Query, Sse, Stream};
/// use futures_util::stream;
///
/// async fn count(Query(stream): Query<Flag>) -> Either<Json<Vec<u8>>, Sse<impl Stream<Item = u8>>> {
///     if stream.stream {
///         Either::Right(Sse::new(stream::iter(1..=3)))
///     } else {
///         Either::Left(Json(vec![1, 2, 3]))
///     }
/// }
///
/// #[derive(serde::Deserialize, schemars::JsonSchema, alula::Validate)]
/// struct Flag {
///     #[serde(default)]
///     stream: bool,
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<L, R> {
    /// The first kind.
    Left(L),
    /// The second kind.
    Right(R),
}

impl<L: Output, R: Output> Output for Either<L, R> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        L::describe(operation, status);
        R::describe(operation, status);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        match self {
            Self::Left(left) => left.respond(cx),
            Self::Right(right) => right.respond(cx),
        }
    }
}

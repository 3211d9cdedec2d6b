//! One credential or another.

use super::{Challenge, Credential, SecurityScheme, needed};
use crate::{
    error::Result,
    input::{Input, Rejection, RequestContext, Stage},
    openapi::Operation,
    output::Either,
};

/// The first of two credentials that is there.
///
/// The document lists them as alternatives, and a 401 names both. Nest it for more than two.
///
/// ```
/// use alula::{ApiKey, Bearer, Either, Json};
///
/// async fn me(caller: Either<Bearer, ApiKey>) -> Json<&'static str> {
///     match caller {
///         Either::Left(_token) => Json("by token"),
///         Either::Right(_key) => Json("by key"),
///     }
/// }
/// ```
impl<L: Credential, R: Credential> Credential for Either<L, R> {
    fn schemes() -> Vec<SecurityScheme> {
        L::schemes().into_iter().chain(R::schemes()).collect()
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        match L::find(cx)? {
            Some(left) => Ok(Some(Self::Left(left))),
            None => Ok(R::find(cx)?.map(Self::Right)),
        }
    }
}

needed!(Either<L, R>, L: Credential, R: Credential);

//! A call as it came.

use alula::{Bytes, Input, Operation, Rejection, RequestContext, Result};

/// The path and the body of a call, of whatever content type.
pub(super) struct RawCall {
    pub(super) path: String,
    pub(super) body: Bytes,
}

impl Input for RawCall {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let path = cx.uri().path().to_owned();
        Ok(Self { path, body: cx.bytes().await? })
    }
}

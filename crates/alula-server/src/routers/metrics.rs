//! What the server has counted, for Prometheus.

use alula::{
    Body, Input, Operation, Output, Rejection, RequestContext, ResponseContext, Router,
    http::{HeaderValue, Response, header},
    prelude::*,
};
use serde_json::json;

use crate::{
    dependencies::administrator,
    services::metrics::{Format, everything},
};

/// The routes of this module.
pub(crate) fn router() -> Router {
    Router::new().tag("Admin").depends::<administrator>().routes(routes![metrics])
}

/// Everything that is counted, for Prometheus.
///
/// It comes in the text format, or as `OpenMetrics` to who accepts that no less.
#[get("/metrics")]
async fn metrics(format: Format) -> Result<Exposition> {
    // Of several workers, it reads what the others have written.
    let text = tokio::task::spawn_blocking(everything).await?;
    Ok(Exposition { text: format.write(text), format })
}

impl Input for Format {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::accepted(cx.headers()))
    }
}

struct Exposition {
    text: String,
    format: Format,
}

impl Output for Exposition {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        for format in Format::ALL {
            let content = Some((format.media_type(), json!({ "type": "string" })));
            operation.response(status, "Successful Response", content);
        }
    }

    fn respond(self, _: &ResponseContext<'_>) -> Result<Response<Body>> {
        let mut response = Response::new(Body::from(self.text));
        let headers = response.headers_mut();
        let content_type = self.format.content_type();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        Ok(response)
    }
}

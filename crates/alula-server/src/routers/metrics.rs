//! What the server has counted, for Prometheus.

use alula::{
    Body, Operation, Output, ResponseContext, Router,
    http::{HeaderValue, Response, header},
    prelude::*,
};
use serde_json::json;

use crate::{dependencies::administrator, services::metrics::everything};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of this module.
pub(crate) fn router() -> Router {
    Router::new().tag("Admin").depends::<administrator>().routes(routes![metrics])
}

/// Everything that is counted, in the text format of Prometheus.
#[get("/metrics")]
async fn metrics() -> Result<Exposition> {
    // Of several workers, it reads what the others have written.
    Ok(Exposition(tokio::task::spawn_blocking(everything).await?))
}

struct Exposition(String);

impl Output for Exposition {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        let content = Some(("text/plain", json!({ "type": "string" })));
        operation.response(status, "Successful Response", content);
    }

    fn respond(self, _: &ResponseContext<'_>) -> Result<Response<Body>> {
        let mut response = Response::new(Body::from(self.0));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT));
        Ok(response)
    }
}

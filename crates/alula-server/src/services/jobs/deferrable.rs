//! An answer that comes at once, in time, or later.

use std::time::Duration;

use alula::{
    Body, Operation, Output, ResponseContext, Result, Route,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use alula_jobs::JobId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{JobStatus, Outcome, view::url};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Seconds after which a client may look for its answer.
const POLL_SECONDS: u16 = 1;

/// What an endpoint answers from which an answer can be had later.
pub(crate) enum Deferrable<T> {
    /// The plain answer.
    Now(T),
    /// The same, by a job that ended while its client waited.
    InTime { outcome: Outcome, wait: Duration },
    /// A job that goes on.
    Later { job: Accepted, wait: Option<Duration> },
}

/// A job that has been kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    pub(super) id: JobId,
    pub(super) status: JobStatus,
    pub(super) durable: bool,
}

/// A request that was accepted and is answered later.
#[derive(Serialize, JsonSchema)]
struct AcceptedJob {
    /// The job that answers it.
    #[schemars(with = "String", regex(pattern = r"^job_[0-9a-f]{32}$"))]
    job_id: JobId,
    /// Where the job is.
    status: JobStatus,
    /// Where the answer will be.
    url: String,
    /// Whether it survives a restart of the server, as it does unless the database is in memory.
    durable: bool,
}

impl<T: Output> Output for Deferrable<T> {
    fn describe(operation: &mut Operation<'_>, status: u16) {
        T::describe(operation, status);
        let schema = operation.output_schema::<AcceptedJob>();
        let content = Some(("application/json", schema));
        operation.response(202, "It is answered later, as `Prefer: respond-async` asks", content);
    }

    fn respond(self, cx: &ResponseContext<'_>) -> Result<Response<Body>> {
        match self {
            Self::Now(answer) => answer.respond(cx),
            Self::InTime { outcome, wait } => {
                let mut response = outcome.response();
                let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs()))?;
                response.headers_mut().insert(PREFERENCE_APPLIED, applied);
                Ok(response)
            }
            Self::Later { job, wait } => accepted(job, wait),
        }
    }
}

fn accepted(job: Accepted, wait: Option<Duration>) -> Result<Response<Body>> {
    let Accepted { id: job_id, status, durable } = job;
    let url = url(job_id);
    let location = HeaderValue::try_from(&url)?;
    let body = serde_json::to_vec(&AcceptedJob { job_id, status, url, durable })?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let applied = match wait {
        Some(wait) => format!("respond-async, wait={}", wait.as_secs()),
        None => "respond-async".to_owned(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::LOCATION, location);
    headers.insert(header::RETRY_AFTER, POLL_SECONDS.into());
    headers.insert(PREFERENCE_APPLIED, applied.try_into()?);
    Ok(response)
}

/// Describes the headers of a route that answers so.
pub(crate) fn deferrable(route: Route) -> Route {
    let text =
        |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    route.openapi_extra(json!({
        "parameters": [{
            "name": "Prefer",
            "in": "header",
            "required": false,
            "description": "`respond-async` asks for an answer later: 202, and a job. With \
                `wait=N` beside it the answer comes at once if it is there within N seconds.",
            "schema": { "type": "string" },
            "example": "respond-async, wait=10",
        }],
        "responses": {
            "202": {
                "headers": {
                    "Location": text("The job."),
                    "Retry-After": text("Seconds after which to look for the answer."),
                    "Preference-Applied": text("What was preferred and done."),
                },
            },
        },
    }))
}

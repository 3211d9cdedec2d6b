//! Requests that are executed once, however often they are made.

use alula::{
    ApiError, Bytes, Depends, HttpError, Input, Operation, Rejection, RequestContext, Result,
    Route, Stage, State, dependency,
    http::{HeaderMap, StatusCode},
};
use ring::digest::{Context, SHA256};
use serde_json::json;

use super::caller;
use crate::{
    db::{KeptAnswer, Known},
    services::{
        admission::Caller,
        idempotency::{Idempotency, Ticket},
        jobs::{Jobs, wants_job},
        relay::passed_on,
    },
};

/// The longest key.
const KEY_BYTES_MAX: usize = 255;

/// Executes a request with an `Idempotency-Key` once. The layer [`Idempotent`] must be around it.
///
/// [`Idempotent`]: crate::services::idempotency::Idempotent
pub(crate) fn executed_once(route: Route) -> Route {
    route.depends::<once>().openapi_extra(json!({
        "parameters": [{
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A name of this request that the client makes up. Made again with the \
                same name it is not executed again: the answer is that of the first time, with \
                `Idempotency-Replayed: true`.",
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX },
        }],
    }))
}

/// Lets a request with an `Idempotency-Key` through if it was not made before. It is for routes
/// that the layer of the same name is around.
#[dependency]
async fn once(
    Presented(presented): Presented,
    caller: Depends<caller>,
    idempotency: State<Idempotency>,
    jobs: State<Jobs>,
) -> Result<()> {
    match presented {
        // In a box, for which all other requests need no room.
        Some(request) => Box::pin(claim(request, &caller, &idempotency, &jobs)).await,
        None => Ok(()),
    }
}

async fn claim(
    Request { ticket, target, body, headers, is_later }: Request,
    caller: &Caller,
    idempotency: &Idempotency,
    jobs: &Jobs,
) -> Result<()> {
    let key = ticket.key().map(|key| key.as_bytes()).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(HttpError::bad_request(format!(
            "Idempotency-Key must be there once, with 1 to {KEY_BYTES_MAX} characters"
        )));
    }
    let id = hash([caller.owner().as_bytes(), key]);
    // What it prefers and what goes along to a provider make another request of it, too.
    let later = is_later.then_some(b"respond-async".as_slice());
    let headers = headers.iter().flat_map(|(name, value)| [name.as_ref(), value.as_bytes()]);
    let request = [target.as_bytes(), body.as_ref()].into_iter().chain(later).chain(headers);
    let request = hash(request);
    let claimed = idempotency.claim(id, request).await;
    let (claim, known) = claimed.map_err(ApiError::into_http)?;
    match known {
        Known::Nothing { .. } => {
            ticket.is_claimed(claim);
            caller.note_in(ticket);
            Ok(())
        }
        Known::Running { left } => Err(runs_elsewhere(left)),
        Known::Other => Err(HttpError::new(
            422,
            "This Idempotency-Key was used for another request: another path, another body, or \
             another `Prefer: respond-async` or beta header",
        )),
        // The client was sent to a job that is forgotten by now: its answer can only be had by
        // another one.
        Known::Answered(answer) if is_lost(&answer, caller, jobs).await => {
            let taken = idempotency.take_over(&claim, &answer).await;
            if !taken.map_err(ApiError::into_http)? {
                return Err(runs_elsewhere(0));
            }
            ticket.is_claimed(claim);
            caller.note_in(ticket);
            Ok(())
        }
        Known::Answered(answer) => {
            // What is kept takes the place of this.
            ticket.is_answered(answer);
            Err(HttpError::new(
                410,
                "A request with this Idempotency-Key was executed, but its answer was too large \
                 to be kept",
            ))
        }
    }
}

/// Whether an answer names a job or a batch that is not there.
async fn is_lost(answer: &KeptAnswer, caller: &Caller, jobs: &Jobs) -> bool {
    let is_accepted = answer.status == StatusCode::ACCEPTED.as_u16();
    match answer.header("location").filter(|_| is_accepted) {
        Some(url) => jobs.is_gone(caller, url).await,
        None => false,
    }
}

fn runs_elsewhere(left_millis: i64) -> HttpError {
    HttpError::conflict(
        "A request with this Idempotency-Key is being executed; ask again for its answer",
    )
    .retry_after(wait_of(left_millis))
}

/// Seconds to wait for an answer of which nobody knows when it comes: soon, and never longer than
/// its lease.
fn wait_of(left_millis: i64) -> u64 {
    const SECONDS_MAX: u64 = 2;
    let left = u64::try_from(left_millis).unwrap_or_default().div_ceil(1_000);
    left.clamp(1, SECONDS_MAX)
}

/// The hash of texts, none of which can pass for a part of another.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// What of a request with the header tells it from others.
struct Presented(Option<Request>);

struct Request {
    ticket: Ticket,
    /// Path and query.
    target: String,
    body: Bytes,
    /// Those that go along to a provider.
    headers: HeaderMap,
    /// Whether it is to be answered by a job.
    is_later: bool,
}

impl Input for Presented {
    type Plan = ();
    const STAGE: Stage = Stage::Own;

    fn plan(operation: &mut Operation<'_>) {
        let refusals = [
            (HttpError::conflict("…"), "The first request with this Idempotency-Key still runs."),
            (HttpError::new(410, "…"), "Its answer was too large to be kept."),
            (HttpError::new(422, "…"), "The Idempotency-Key was used for another request."),
        ];
        for (error, description) in &refusals {
            operation.error(error, description);
        }
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let Some(ticket) = cx.extensions().get::<Ticket>().cloned() else {
            return Ok(Self(None));
        };
        let target = cx.uri().path_and_query().map_or("", |it| it.as_str()).to_owned();
        let (headers, is_later) = (passed_on(cx.headers()), wants_job(cx.headers()));
        let body = cx.bytes().await?;
        Ok(Self(Some(Request { ticket, target, body, headers, is_later })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_write_a_key_that_passes_for_that_of_another() {
        let all = [[&b"ab"[..], b"c"], [b"a", b"bc"], [b"", b"abc"], [b"abc", b""]].map(hash);
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn who_has_to_wait_does_not_wait_for_long() {
        assert_eq!([0, 400, 1_500, 30_000].map(wait_of), [1, 1, 2, 2]);
    }
}

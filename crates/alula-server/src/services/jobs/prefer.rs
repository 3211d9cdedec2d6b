//! `Prefer: respond-async`, by RFC 7240.

use std::time::Duration;

use alula::{
    HttpError, Input, Loc, Operation, Rejection, RequestContext, Result, State,
    http::{HeaderMap, HeaderName},
};
use tokio::time::timeout;

use super::{Accepted, Deferrable, Jobs, Work};
use crate::services::{admission::Caller, chat::Sources};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Whether the client wants its answer later.
pub(crate) struct Prefer(pub(crate) Option<Later>);

/// An answer that may come later.
pub(crate) struct Later {
    /// How long the client waits for an answer before it is satisfied with a job.
    wait: Option<Duration>,
    jobs: State<Jobs>,
    sources: State<Sources>,
}

impl Later {
    /// Makes a job of the work, and answers with it, or as the plain call if it ends in time.
    ///
    /// # Errors
    ///
    /// As [`Jobs::submit`], and 422 for a callback that cannot be called.
    pub(crate) async fn take_on<T>(
        self,
        caller: &Caller,
        work: Work,
        callback: Option<&str>,
    ) -> Result<Deferrable<T>> {
        let Self { wait, jobs, sources } = self;
        let callback = match callback {
            Some(url) => Some(jobs.callback(url).map_err(|why| wrong_callback(url, &why))?),
            None => None,
        };
        let job = jobs.submit(caller, &sources, work, callback).await?;
        let Some(time) = wait else { return Ok(Deferrable::Later { job, wait }) };
        let outcome = tokio::select! {
            outcome = timeout(time, jobs.outcome(job.id)) => outcome.ok().flatten(),
            // Another process goes on with it; this client shall know where to look.
            () = jobs.must_stop() => None,
        };
        if let Some(outcome) = outcome {
            return Ok(Deferrable::InTime { outcome, wait: time });
        }
        let status = jobs.status(job.id).await.unwrap_or(job.status);
        Ok(Deferrable::Later { job: Accepted { status, ..job }, wait })
    }
}

/// 422 for the field `callback_url` of a body.
pub(crate) fn wrong_callback(url: &str, why: &str) -> HttpError {
    wrong_callback_at(vec!["body".into(), "callback_url".into()], url, why)
}

/// The same for one that is elsewhere in the body.
pub(super) fn wrong_callback_at(loc: Vec<Loc>, url: &str, why: &str) -> HttpError {
    HttpError::validation(vec![alula::Detail {
        kind: "value_error".into(),
        loc,
        msg: format!("Value error, {why}"),
        input: url.into(),
        ctx: Some(serde_json::json!({ "error": {} })),
    }])
}

impl Input for Prefer {
    type Plan = (<State<Jobs> as Input>::Plan, <State<Sources> as Input>::Plan);

    fn plan(operation: &mut Operation<'_>) -> Self::Plan {
        (State::<Jobs>::plan(operation), State::<Sources>::plan(operation))
    }

    async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
        let Some(Preferences { wait }) = Preferences::of(cx.headers()) else {
            return Ok(Self(None));
        };
        let jobs = State::extract(&plan.0, cx).await?;
        let sources = State::extract(&plan.1, cx).await?;
        Ok(Self(Some(Later { wait, jobs, sources })))
    }
}

/// Whether the client prefers an answer later.
pub(crate) fn wants_job(headers: &HeaderMap) -> bool {
    Preferences::of(headers).is_some()
}

/// What a client prefers, if that is an answer later.
#[derive(Debug, PartialEq, Eq)]
struct Preferences {
    wait: Option<Duration>,
}

impl Preferences {
    /// What is unknown or makes no sense counts as not said. Of what is said twice the first counts.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let (mut respond_async, mut wait) = (false, None);
        let lines = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        for preference in lines.flat_map(preferences) {
            // Behind a semicolon are parameters, of which neither has any.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
            match &*name {
                "respond-async" => respond_async = true,
                "wait" if wait.is_none() => wait = Some(value.parse().ok()),
                _ => {}
            }
        }
        respond_async.then(|| Self { wait: wait.flatten().map(Duration::from_secs) })
    }
}

/// The parts between commas that are in no quotes.
fn preferences(line: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    line.split(move |char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match char {
            '\\' if is_quoted => is_escaped = !was_escaped,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        char == ',' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_it_is_answered_later() {
        let read = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (PREFER, line.parse().unwrap()));
            Preferences::of(&lines.collect()).map(|preferences| preferences.wait)
        };
        let seconds = |seconds| Some(Some(Duration::from_secs(seconds)));
        for (lines, expected) in [
            (&["respond-async"][..], Some(None)),
            (&["Respond-Async"], Some(None)),
            (&["respond-async, wait=10"], seconds(10)),
            (&["wait=10,respond-async"], seconds(10)),
            (&["wait = \"10\" ; x=1", "respond-async;y"], seconds(10)),
            (&["respond-async, wait=10, wait=20"], seconds(10)),
            (&["respond-async, wait=soon"], Some(None)),
            (&["respond-async, wait=-1"], Some(None)),
            (&["return=minimal, handling=lenient, respond-async"], Some(None)),
            (&["wait=10"], None),
            (&["x=\"a, respond-async, b\""], None),
            (&["x=\"a\\\", respond-async\""], None),
            (&["x-respond-async"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }
}

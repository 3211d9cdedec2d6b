//! Answers that come later.

use alula::{Detail, Route, prelude::*};
use alula_jobs::JobId;

use crate::{
    dependencies::caller,
    services::jobs::{JobStatus, JobView, Jobs},
};

/// The most jobs in one list, and how many there are unless another number is asked for.
pub(super) const PAGE_MAX: u32 = 100;
const PAGE: u32 = 20;

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    routes![list, job, events, cancel, retry]
}

/// Which jobs to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct JobPage {
    /// Only those that are there.
    #[serde(default)]
    status: Option<JobStatus>,
    /// Only those behind this one in the list: the `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: u32,
}

pub(super) fn page() -> u32 {
    PAGE
}

/// Jobs, the last first.
#[derive(Serialize, JsonSchema)]
struct JobList {
    /// The jobs, without their answers.
    jobs: Vec<JobView>,
    /// What to ask for with `after` to get more; `null` if there are no more.
    #[schemars(with = "Option<String>")]
    next: Option<JobId>,
}

/// List your jobs, the last first.
#[get("/jobs")]
async fn list(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Query(page): Query<JobPage>,
) -> Result<Json<JobList>> {
    let JobPage { status, after, limit } = page;
    let after = match after.as_deref().map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(no_job_id(after.unwrap_or_default())),
    };
    let (jobs, has_more) = jobs.list(&caller, status, after, limit).await?;
    let next = jobs.last().filter(|_| has_more).map(|job| job.job_id);
    Ok(Json(JobList { jobs, next }))
}

pub(super) fn no_job_id(after: String) -> HttpError {
    HttpError::validation(vec![Detail {
        kind: "value_error".into(),
        loc: vec!["query".into(), "after".into()],
        msg: "Value error, it is no name of a job".to_owned(),
        input: after.into(),
        ctx: None,
    }])
}

/// Look at a job.
///
/// When it has ended, `result` or `error` is the very body that the plain call would have been
/// answered with, and `http_status` its status.
#[get("/jobs/{id}")]
async fn job(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<JobView>> {
    Ok(Json(jobs.view(&caller, &id).await?))
}

/// What a client that reconnects has seen.
#[derive(Deserialize, JsonSchema, Validate)]
pub(super) struct Seen {
    /// The id of the last event that has arrived.
    #[serde(default)]
    pub(super) last_event_id: Option<String>,
}

/// Follow a job as it goes on.
///
/// An event named `status` comes first and whenever the status changes, one named `progress`
/// whenever more of its calls have been answered; of several changes at once only the last is told.
/// The stream ends with the event of the end, which has no answer in it: ask for the job. Who comes
/// back with `Last-Event-ID` hears what is new, or gets 204 if that was the end.
#[get("/jobs/{id}/events")]
async fn events(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
    Header(Seen { last_event_id }): Header<Seen>,
) -> Result<Either<Sse<impl Stream<Item = Event<JobView>>>, Status<204, ()>>> {
    Ok(match jobs.follow(&caller, &id, last_event_id.as_deref()).await? {
        Some(changes) => Either::Left(Sse::new(changes)),
        None => Either::Right(Status(())),
    })
}

/// Stop a job that has not ended. Its provider is asked no longer.
#[post("/jobs/{id}/cancel")]
async fn cancel(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<JobView>> {
    Ok(Json(jobs.cancel(&caller, &id).await?))
}

/// Do a job once more that has failed or was cancelled.
#[post("/jobs/{id}/retry", status = 202)]
async fn retry(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<JobView>> {
    Ok(Json(jobs.retry(&caller, &id).await?))
}

//! Durable jobs: functions whose calls are kept until they are done.
//!
//! `#[job]` on an async function lets it be enqueued. Its first argument is what is kept, as JSON;
//! the others are inputs as those of endpoints, as far as they need no request:
//! [`Depends`](crate::Depends), [`State`](crate::State), [`Scope`](crate::Scope), [`Jobs`] and the
//! [`JobContext`].
//!
//! ```
//! use alula::{
//!     jobs::{Queue, Sqlite},
//!     prelude::*,
//! };
//!
//! #[derive(Serialize, Deserialize, JsonSchema, Validate)]
//! struct Document {
//!     #[schemars(length(min = 1))]
//!     text: String,
//! }
//!
//! /// Splits a document into words.
//! #[job]
//! async fn split(document: Document) -> Vec<String> {
//!     document.text.split_whitespace().map(str::to_owned).collect()
//! }
//!
//! /// Counts words.
//! #[job(queue = "documents", max_attempts = 3)]
//! async fn count(words: Vec<String>, total: State<Total>, job: JobContext) -> Result<usize> {
//!     job.progress(0, words.len() as u64, "counting");
//!     total.0.fetch_add(words.len(), std::sync::atomic::Ordering::Relaxed);
//!     Ok(words.len())
//! }
//!
//! #[derive(Default)]
//! struct Total(std::sync::atomic::AtomicUsize);
//!
//! /// Answers at once; the work is done later, also after a crash.
//! #[post("/documents", status = 202)]
//! async fn upload(jobs: Jobs, Json(document): Json<Document>) -> Result<Json<String>> {
//!     let job = jobs.enqueue(split, document).then(count).await?;
//!     Ok(Json(job.id.to_string()))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let queue = Queue::new(Sqlite::in_memory().await?); // or Sqlite::open("data/jobs.db")
//! let app = App::new("Words", "1.0.0")
//!     .state(Total::default())
//!     .routes(routes![upload])
//!     .jobs(queue)
//!     .job(split)
//!     .job(count);
//!
//! let client = app.client().await;
//! let id = client.post("/documents").json(&serde_json::json!({ "text": "a wing" })).await;
//! client.jobs().run_all().await;
//! let job = client.jobs().queue().get(id.json::<String>().parse()?).await?.unwrap();
//! assert_eq!(job.result::<usize>()?, Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! [`App::serve`](crate::App::serve) does the jobs in the same process, next to requests;
//! [`App::run_worker`](crate::App::run_worker) does them without serving. How jobs are kept, tried
//! again and stopped is said in the crate
//! [`alula-jobs`](https://docs.rs/alula-jobs), of which the types here are.
//!
//! # What follows a failure
//!
//! | the function, or a dependency, returns | |
//! |---|---|
//! | an error with a status from 400 to 499, but for 408, 425 and 429 | the job has failed: another attempt would be in vain |
//! | any other error | it is tried again, not sooner than its `Retry-After` |
//! | a [`Failure`] | what that says |
//!
//! Arguments that break a constraint are an error of 422. What is kept of an error is what the log
//! would read, causes included: it is for those who run the program, and not for clients.

mod attempt;
mod define;
mod enqueue;
mod failure;
mod input;

pub use alula_jobs::{
    Backoff, Clock, Enqueued, Event, Failure, Filter, Handler, IntoOutput, Job, JobContext, JobId,
    JobState, JobSummary, NewBatch, NewJob, Output, Postgres, Progress, Queue, QueueLimits, Rate,
    Retention, Sqlite, Step, Store, StoreError, Timestamp, WorkerBuilder, webhook,
};
pub(crate) use attempt::handler;
pub use define::{JobArgs, JobDefinition, JobFn, JobFuture};
pub use enqueue::{Batch, Enqueue, Jobs};
pub use failure::JobError;
pub use input::{Args, ArgsPlan};

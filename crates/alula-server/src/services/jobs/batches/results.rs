//! What has become of the questions of a batch.

use std::vec;

use alula::{ApiError as _, Stream};
use alula_jobs::{Job, JobId, Queue, StoreError, store::Filter};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::services::jobs::{JobStatus, kept::status, store::failed, view::outcome};

/// How many jobs are read at once, at first and at most.
const PAGE: u32 = 16;
const PAGE_MAX: u32 = 256;
/// About how many bytes those may have together that are read at once.
const PAGE_BYTES: usize = 1 << 20;

/// A line of the results of a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BatchLine {
    /// A request that has ended.
    Ended(Box<EndedRequest>),
    /// The last line, if the results break off before their end.
    BrokenOff {
        /// Why.
        detail: Value,
    },
}

/// What has become of a request of a batch.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EndedRequest {
    /// Its place in the batch, from 0.
    index: u64,
    /// `succeeded`, `failed` or `cancelled`.
    status: JobStatus,
    /// How often it was asked.
    attempts: u32,
    /// The status that the plain call would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// The body of its answer, as that of `POST /chat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    response: Option<Box<RawValue>>,
    /// The body of its error, as that of `POST /chat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    error: Option<Box<RawValue>>,
}

impl EndedRequest {
    fn new(index: u64, job: &Job) -> Self {
        let status = status(job.state);
        let bare = Self {
            index,
            status,
            attempts: job.attempts,
            http_status: None,
            response: None,
            error: None,
        };
        let Some(outcome) = outcome(job) else { return bare };
        let http_status = Some(outcome.status());
        match outcome.is_success() {
            true => Self { http_status, response: Some(outcome.into_body()), ..bare },
            false => Self { http_status, error: Some(outcome.into_body()), ..bare },
        }
    }
}

/// The lines of a batch, read as they are wanted.
pub(super) fn lines(queue: Queue, batch: JobId) -> impl Stream<Item = BatchLine> + Send + use<> {
    let pages = Pages {
        queue,
        batch,
        page: Vec::new().into_iter(),
        index: 0,
        last: None,
        limit: PAGE,
        is_over: false,
    };
    stream::unfold(pages, async |mut pages| {
        let line = pages.next().await?;
        Some((line, pages))
    })
}

struct Pages {
    queue: Queue,
    batch: JobId,
    page: vec::IntoIter<Job>,
    /// The place of the next job of the page.
    index: u64,
    /// The last job that was read.
    last: Option<JobId>,
    /// How many are read next.
    limit: u32,
    /// Nothing is behind the page.
    is_over: bool,
}

impl Pages {
    async fn next(&mut self) -> Option<BatchLine> {
        loop {
            for job in self.page.by_ref() {
                let index = self.index;
                self.index += 1;
                if job.state.is_final() {
                    return Some(BatchLine::Ended(Box::new(EndedRequest::new(index, &job))));
                }
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.read().await {
                self.is_over = true;
                tracing::warn!(%error, batch_id = %self.batch, "the results of a batch break off");
                let detail = failed(error).into_http().detail().clone();
                return Some(BatchLine::BrokenOff { detail });
            }
        }
    }

    /// Reads the next page.
    async fn read(&mut self) -> Result<(), StoreError> {
        let filter = Filter {
            parent: Some(self.batch),
            after: self.last,
            oldest_first: true,
            limit: self.limit,
            ..Filter::default()
        };
        let jobs = self.queue.list_whole(&filter).await?;
        self.is_over = jobs.len() < self.limit as usize;
        self.last = jobs.last().map(|job| job.id).or(self.last);
        self.limit = next_limit(&jobs);
        self.page = jobs.into_iter();
        Ok(())
    }
}

/// How many jobs like these are about as large as a page should be.
fn next_limit(jobs: &[Job]) -> u32 {
    let of = |job: &Job| job.args.get().len() + job.result.as_ref().map_or(0, |it| it.get().len());
    let bytes: usize = jobs.iter().map(of).sum();
    let fits = PAGE_BYTES.saturating_mul(jobs.len()) / bytes.max(1);
    u32::try_from(fits).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

#[cfg(test)]
mod tests {
    use alula_jobs::{NewJob, Sqlite, Step};

    use super::*;

    #[tokio::test]
    async fn a_page_has_fewer_jobs_the_larger_they_are() {
        let queue = Queue::new(Sqlite::in_memory().await.unwrap()).args_bytes_max(PAGE_BYTES * 4);
        for (bytes, expected) in
            [(10, PAGE_MAX), (PAGE_BYTES / 8, 7), (PAGE_BYTES / 2, 1), (PAGE_BYTES * 3, 1)]
        {
            let job = NewJob::new(Step::new("a"), &"x".repeat(bytes)).unwrap();
            let id = queue.enqueue(job).await.unwrap().id;
            let job = queue.get(id).await.unwrap().unwrap();
            assert_eq!(next_limit(&[job.clone(), job]), expected, "{bytes}");
        }
        assert_eq!(next_limit(&[]), 1, "nothing is behind");
    }
}

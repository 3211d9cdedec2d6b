#![doc = include_str!("../README.md")]

mod clock;
mod handler;
mod id;
mod job;
mod queue;
pub mod store;
pub mod webhook;
mod worker;

pub use self::{
    clock::{Clock, Timestamp},
    handler::{Backoff, Failure, Handler, IntoOutput, JobContext, Output},
    id::{JobId, NoJobId},
    job::{
        Counts, DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, Ended, Job, JobState, JobSummary, NewBatch,
        NewJob, Progress, Step,
    },
    queue::{Queue, Watch},
    store::{
        Enqueued, Filter, Postgres, QueueLimits, QueueStats, Rate, Retention, Sqlite, Store,
        StoreError,
    },
    worker::{Event, Outcome, Running, Stopped, Worker, WorkerBuilder, WorkerError},
};

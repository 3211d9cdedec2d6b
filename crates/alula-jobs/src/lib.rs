#![doc = include_str!("../README.md")]

mod clock;
mod id;
mod job;
pub mod store;
pub mod webhook;

pub use self::{
    clock::{Clock, Timestamp},
    id::{JobId, NoJobId},
    job::{
        Counts, DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, Ended, Job, JobState, NewBatch, NewJob,
        Progress, Step,
    },
    store::{Postgres, Sqlite, Store, StoreError},
};

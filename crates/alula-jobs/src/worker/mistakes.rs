use std::{collections::HashSet, time::Duration};

use super::WorkerBuilder;
use crate::{Handler, store::Rate};

/// A lease must last for several turns of its renewal.
const LEASE_MIN: Duration = Duration::from_millis(100);
const POLL_MIN: Duration = Duration::from_millis(1);
/// The longest time that a worker waits for anything.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a worker: each mistake.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::{NewJob, Queue, Sqlite, Step, Worker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let queue = Queue::new(Sqlite::in_memory().await?);
/// let error = Worker::builder(&queue).lease(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.mistakes().len(), 2);
/// assert_eq!(
///     error.to_string(),
///     "the worker cannot work: it has no handler; its lease is 0ns, less than 100ms"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the worker cannot work: {}", .0.join("; "))]
pub struct WorkerError(Vec<String>);

impl WorkerError {
    pub(super) fn new(mistakes: Vec<String>) -> Self {
        Self(mistakes)
    }

    /// Each mistake, as a sentence.
    pub fn mistakes(&self) -> &[String] {
        &self.0
    }
}

impl WorkerBuilder {
    /// What is wrong, but for the times of schedules.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.handlers.is_empty() {
            mistakes.push("it has no handler".to_owned());
        }
        for name in twice(self.handlers.iter().map(Handler::name)) {
            mistakes.push(format!("it has two handlers of the name `{name}`"));
        }
        for handler in &self.handlers {
            if handler.name().is_empty() || handler.queue_name().is_empty() {
                mistakes.push("a handler has no name, or no queue".to_owned());
            }
            if handler.timeout_of_attempt().is_zero() {
                mistakes.push(format!("the handler `{}` has no time", handler.name()));
            }
        }
        for (queue, _) in self.concurrency.iter().filter(|(_, count)| **count == 0) {
            mistakes.push(format!("it does no job of the queue `{queue}` at once"));
        }
        for (queue, limits) in &self.limits {
            let is_none = |rate: Rate| rate.count == 0 || rate.per.is_zero();
            if limits.running_max == Some(0) || limits.rate.is_some_and(is_none) {
                mistakes.push(format!("the limits of the queue `{queue}` let nothing begin"));
            }
        }
        for (what, time, least) in [("lease", self.lease, LEASE_MIN), ("poll", self.poll, POLL_MIN)]
        {
            if time < least {
                mistakes.push(format!("its {what} is {time:?}, less than {least:?}"));
            }
            if time > DAY {
                mistakes.push(format!("its {what} is longer than a day"));
            }
        }
        for name in twice(self.schedules.iter().map(|(name, ..)| name.as_str())) {
            mistakes.push(format!("it has two schedules of the name `{name}`"));
        }
        mistakes
    }
}

/// The names that are there more than once.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let mut twice: Vec<&str> = names.filter(|name| !seen.insert(*name)).collect();
    twice.dedup();
    twice
}

//! What workers and queues tell of themselves.

use std::sync::{Arc, Mutex, PoisonError};

use alula_jobs::{Event, JobState, store::QueueStats};

use super::registry::{Kind, Sample, registry};

/// Seconds from the moment a job could begin to its beginning.
const WAITED: &[f64] = &[0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];
/// Seconds from its beginning to its end.
const RAN: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 1800.0];

/// How the queues were doing a moment ago. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueGauges(Arc<Mutex<Vec<QueueStats>>>);

impl QueueGauges {
    /// Shows them.
    pub(crate) fn register(&self) {
        let gauges = self.clone();
        let help = "Jobs that have not ended, and those that failed, by queue and state.";
        registry().find("alula_jobs", help, Kind::Gauge, move || gauges.counts());
        let gauges = self.clone();
        let help = "How long the oldest job that is queued has waited.";
        registry().find("alula_jobs_oldest_seconds", help, Kind::Gauge, move || gauges.ages());
    }

    pub(crate) fn set(&self, stats: Vec<QueueStats>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    fn counts(&self) -> Vec<Sample> {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended well is not counted: it is found in the histograms.
        let states = JobState::ALL.into_iter();
        let states = states.filter(|state| !state.is_final() || *state == JobState::Failed);
        let sample = |(stats, state): (&QueueStats, JobState)| {
            let labels = [("queue", stats.queue.as_str()), ("state", state.as_str())];
            Sample::new(&labels, super::beside::as_number(stats.counts.of(state)))
        };
        let pairs = states.flat_map(|state| stats.iter().map(move |stats| (stats, state)));
        pairs.map(sample).collect()
    }

    fn ages(&self) -> Vec<Sample> {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |stats: &QueueStats| {
            let oldest = stats.oldest.unwrap_or_default();
            Sample::new(&[("queue", stats.queue.as_str())], oldest.as_secs_f64())
        };
        stats.iter().map(age).collect()
    }
}

/// Notes what a worker of this process does.
pub(crate) fn note_job(event: &Event<'_>) {
    match event {
        Event::Claimed { claim, waited } => {
            let help = "From the moment that a job could begin to its beginning.";
            let labels = [("queue", claim.step.queue.as_str())];
            registry().histogram("alula_job_wait_seconds", help, WAITED, &labels).observe(*waited);
        }
        Event::Ended { claim, outcome, ran } => {
            let help = "How long attempts of jobs took.";
            let labels = [("queue", claim.step.queue.as_str()), ("outcome", outcome.as_str())];
            registry().histogram("alula_job_run_seconds", help, RAN, &labels).observe(*ran);
        }
        Event::Lost { claim } => {
            let help = "Attempts that another worker took over, or that somebody stopped.";
            let labels = [("queue", claim.step.queue.as_str())];
            registry().counter("alula_jobs_lost_attempts_total", help, &labels).add(1);
        }
        Event::StoreFailed { doing, .. } => {
            let help = "How often workers could not use the database, by what for.";
            registry().counter("alula_jobs_store_errors_total", help, &[("doing", doing)]).add(1);
        }
        _ => {}
    }
}

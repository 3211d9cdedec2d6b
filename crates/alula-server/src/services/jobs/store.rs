//! The jobs that there are, within limits.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

use super::{
    JobId, JobLimits, Outcome,
    job::{Job, State, Status},
};

/// All jobs of this process. A job changes where it stands here and nowhere else, so that it is
/// in the list of those that have ended exactly while it has.
#[derive(Default)]
pub(super) struct Store {
    jobs: BTreeMap<JobId, Arc<Job>>,
    /// Those that have ended, in the order of their end: the first is the first to go.
    ended: VecDeque<Arc<Job>>,
    /// How many have not ended, by whose they are.
    unfinished: HashMap<String, usize>,
    bytes: usize,
    /// Those of the bytes that no other job can make go.
    unfinished_bytes: usize,
}

/// Why there is no room for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There would be none if everything went that has ended.
    Bytes,
    /// Its key has as many that have not ended as it may have.
    Key,
}

impl Store {
    /// Takes a job, for which jobs that have ended may have to go.
    pub(super) fn insert(&mut self, job: Arc<Job>, limits: &JobLimits) -> Result<(), Full> {
        let bytes = job.bytes();
        self.check_key(&job, limits)?;
        if self.unfinished_bytes.saturating_add(bytes) > limits.bytes_max {
            return Err(Full::Bytes);
        }
        while self.bytes.saturating_add(bytes) > limits.bytes_max && self.forget_for(&job) {}
        self.bytes += bytes;
        self.begin(&job);
        self.jobs.insert(job.id, job);
        Ok(())
    }

    /// Whether the key of a job may have one more that has not ended. Without keys there is nobody
    /// to whom it would leave room.
    pub(super) fn check_key(&self, job: &Job, limits: &JobLimits) -> Result<(), Full> {
        let unfinished = self.unfinished.get(&job.owner).copied().unwrap_or(0);
        match job.owner.is_empty() || unfinished < limits.per_key_max {
            true => Ok(()),
            false => Err(Full::Key),
        }
    }

    /// Counts a job that has not ended.
    fn begin(&mut self, job: &Job) {
        self.unfinished_bytes += job.bytes();
        *self.unfinished.entry(job.owner.clone()).or_default() += 1;
    }

    /// Notes the end of a run, unless it is no news, and returns the state at its end; others that
    /// have ended may have to go.
    pub(super) fn end(
        &mut self,
        job: &Job,
        run: u32,
        status: Status,
        outcome: Option<Arc<Outcome>>,
        limits: &JobLimits,
    ) -> Option<State> {
        let job = self.jobs.get(&job.id)?.clone();
        let before = job.bytes();
        let ended = job.end(run, status, outcome)?;
        self.unfinished_bytes = self.unfinished_bytes.saturating_sub(before);
        if let Some(unfinished) = self.unfinished.get_mut(&job.owner) {
            *unfinished = unfinished.saturating_sub(1);
            if *unfinished == 0 {
                self.unfinished.remove(&job.owner);
            }
        }
        self.bytes = self.bytes.saturating_sub(before) + job.bytes();
        // This one stays, or nobody would ever read it.
        while !self.ended.is_empty()
            && (self.ended.len() >= limits.kept_max || self.bytes > limits.bytes_max)
        {
            self.forget_for(&job);
        }
        self.ended.push_back(job);
        Some(ended)
    }

    /// Queues a job once more, unless it was forgotten just now; the number of the new run.
    pub(super) fn queue_again(&mut self, job: &Job) -> Option<u32> {
        if !self.jobs.contains_key(&job.id) {
            return None;
        }
        let before = job.bytes();
        let run = job.queue_again()?;
        self.bytes = self.bytes.saturating_sub(before) + job.bytes();
        self.begin(job);
        self.ended.retain(|ended| ended.id != job.id);
        Some(run)
    }

    /// Forgets what ended too long ago.
    pub(super) fn sweep(&mut self, limits: &JobLimits) {
        while self.ended.front().is_some_and(|job| job.is_older(limits.kept)) {
            self.forget(0);
        }
    }

    /// Forgets one that has ended, to make room for another: one of the same owner, if there is
    /// one, so that who asks for much pushes out nobody else.
    fn forget_for(&mut self, job: &Job) -> bool {
        let own = self.ended.iter().position(|ended| ended.owner == job.owner);
        self.forget(own.unwrap_or(0))
    }

    fn forget(&mut self, place: usize) -> bool {
        let Some(job) = self.ended.remove(place) else { return false };
        self.jobs.remove(&job.id);
        self.bytes = self.bytes.saturating_sub(job.bytes());
        true
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.get(&id)
    }

    /// Those made before this one, or all, the last first.
    pub(super) fn before(&self, id: Option<JobId>) -> impl Iterator<Item = &Arc<Job>> {
        let end = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.jobs.range((Bound::Unbounded, end)).rev().map(|(_, job)| job)
    }

    /// How many have not ended.
    pub(super) fn unfinished(&self) -> usize {
        self.jobs.len().saturating_sub(self.ended.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alula::Bytes;

    use super::*;
    use crate::{
        db::{DatabaseUrl, Db},
        services::{
            admission::Caller,
            conversations::Conversations,
            exchange::Exchange,
            jobs::{NewJob, Work},
            llm,
            models::Models,
            usage::{Ledger, LedgerSettings},
        },
    };

    async fn job(bytes: usize) -> Arc<Job> {
        Arc::new(job_of("", bytes).await)
    }

    async fn job_of(owner: &str, bytes: usize) -> Job {
        let db = Db::open(&DatabaseUrl::Memory).await.unwrap();
        let mut job = Job::new(NewJob {
            caller: Caller::new(
                Models::new(llm::demo().unwrap()),
                Ledger::new(LedgerSettings::default()).0,
                None,
                Exchange::default(),
            ),
            conversations: Conversations::new(db, 1_000),
            work: Work::Embeddings(Bytes::from(vec![b' '; bytes])),
            callback: None,
        });
        owner.clone_into(&mut job.owner);
        job
    }

    fn limits(kept_max: usize, bytes_max: usize) -> JobLimits {
        JobLimits { kept_max, bytes_max, ..JobLimits::default() }
    }

    fn answer(bytes: usize) -> Option<Arc<Outcome>> {
        Some(Arc::new(Outcome::json(&"x".repeat(bytes - 2))))
    }

    fn ids(store: &Store) -> Vec<JobId> {
        store.before(None).map(|job| job.id).collect()
    }

    #[tokio::test]
    async fn what_has_ended_makes_room_and_what_has_not_stays() {
        let (mut store, limits) = (Store::default(), limits(10, 100));
        let [first, second, third] = [job(40).await, job(40).await, job(40).await];
        assert!(store.insert(first.clone(), &limits).is_ok());
        assert!(store.insert(second.clone(), &limits).is_ok());
        assert!(store.insert(third.clone(), &limits).is_err(), "nothing has ended");
        assert!(store.insert(job(101).await, &limits).is_err(), "there will never be room");
        assert!(store.end(&first, 1, Status::Succeeded, answer(20), &limits).is_some());
        assert_eq!((store.bytes, store.unfinished()), (100, 1));
        assert!(store.insert(job(61).await, &limits).is_err());
        assert_eq!(ids(&store), [second.id, first.id], "one that is refused pushes out nothing");
        assert!(store.insert(third.clone(), &limits).is_ok());
        assert_eq!((ids(&store), store.bytes), (vec![third.id, second.id], 80));
        // An answer pushes out what ended before it, and stays itself.
        assert!(store.end(&second, 1, Status::Succeeded, answer(20), &limits).is_some());
        assert!(store.end(&third, 1, Status::Succeeded, answer(90), &limits).is_some());
        assert_eq!((ids(&store), store.bytes), (vec![third.id], 130));
    }

    #[tokio::test]
    async fn a_job_ends_once_and_a_run_of_before_has_no_say() {
        let (mut store, limits) = (Store::default(), limits(10, 100));
        let job = job(10).await;
        store.insert(job.clone(), &limits).unwrap();
        assert!(job.begin(1) && store.end(&job, 1, Status::Cancelled, None, &limits).is_some());
        assert!(store.end(&job, 1, Status::Succeeded, answer(20), &limits).is_none());
        assert_eq!(store.queue_again(&job), Some(2));
        assert!(!job.begin(1) && store.end(&job, 1, Status::Succeeded, None, &limits).is_none());
        assert_eq!((store.unfinished(), store.queue_again(&job)), (1, None));
        assert!(
            job.begin(2) && store.end(&job, 2, Status::Succeeded, answer(20), &limits).is_some()
        );
        assert_eq!((store.bytes, store.unfinished(), job.state().attempts), (30, 0, 2));
        assert_eq!(store.queue_again(&job), None, "it has an answer");
    }

    #[tokio::test]
    async fn only_so_many_are_kept_and_only_for_so_long() {
        let mut store = Store::default();
        let limits = limits(2, 1000);
        let jobs = [job(1).await, job(1).await, job(1).await];
        for job in &jobs {
            store.insert(job.clone(), &limits).unwrap();
            assert!(store.end(job, 1, Status::Failed, None, &limits).is_some());
        }
        assert_eq!(ids(&store), [jobs[2].id, jobs[1].id]);
        store.sweep(&limits);
        assert_eq!(ids(&store).len(), 2);
        store.sweep(&JobLimits { kept: Duration::ZERO, ..limits });
        assert_eq!((ids(&store).len(), store.bytes), (0, 0));
        // Who has found it before comes too late.
        assert_eq!(store.queue_again(&jobs[2]), None);
        assert_eq!((store.unfinished(), store.bytes, store.unfinished_bytes), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_key_takes_no_room_from_the_others() {
        let mut store = Store::default();
        let limits = JobLimits { per_key_max: 2, ..limits(3, 1000) };
        let new = async |owner: &str| Arc::new(job_of(owner, 1).await);
        let quiet = new("quiet").await;
        store.insert(quiet.clone(), &limits).unwrap();
        assert!(store.end(&quiet, 1, Status::Succeeded, None, &limits).is_some());
        for _ in 0..9 {
            let [first, second] = [new("loud").await, new("loud").await];
            store.insert(first.clone(), &limits).unwrap();
            store.insert(second.clone(), &limits).unwrap();
            assert_eq!(store.insert(new("loud").await, &limits), Err(Full::Key));
            assert!(store.end(&first, 1, Status::Failed, None, &limits).is_some());
            // Done again, it counts again.
            assert_eq!(store.queue_again(&first), Some(2));
            assert_eq!(store.check_key(&first, &limits), Err(Full::Key));
            for (job, run) in [(&first, 2), (&second, 1)] {
                assert!(store.end(job, run, Status::Succeeded, None, &limits).is_some());
            }
        }
        assert!(store.get(quiet.id).is_some(), "the other key pushes out its own");
        for _ in 0..9 {
            store.insert(job(1).await, &limits).unwrap();
        }
    }
}

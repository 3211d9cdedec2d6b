//! `chaos stops`: a worker is stopped past its leases, and goes on when others have done its jobs.

use std::{collections::HashMap, path::Path, time::Duration};

use alula_jobs::{Failure, Handler, JobContext, JobId, NewJob, Queue, Step, Timestamp, Worker};
use anyhow::{Context as _, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::{
    fleet::Member,
    log,
    options::Options,
    place::{self, Place},
    role::Role,
    work,
};

/// How many jobs the worker has when it is stopped, unless `--count` says otherwise.
const COUNT: u32 = 50;
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer than a lease others may take to do all jobs. Postgres lets no transaction stand
/// still for as long as this; SQLite lets it for ever.
const GRACE: Duration = Duration::from_secs(12);

/// What has become of late results.
#[derive(Debug, Default)]
struct Found {
    /// The worker heard from the store that its result does not count.
    refused: usize,
    /// It had not even a result when it heard that the job is not its own.
    dropped: usize,
    taken: usize,
    /// How often it was stopped in the middle of a transaction. Its locks are in everybody's way
    /// then, and nobody does its jobs.
    void: u32,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let Options { store, rounds, lease, .. } = *options;
    let count = if options.count == 0 { COUNT } else { options.count.min(work::SLOTS) };
    let place = Place::new(store)?;
    let queue = place::open(&place.address()).await?;
    let noted = place.file("noted");
    let lease_ms = lease.as_millis().try_into()?;
    let worker =
        Member::start(Role::Worker { address: place.address(), log: noted.clone(), lease_ms })?;
    let round = Round { queue: &queue, worker: &worker, noted: &noted, lease, count };
    let mut found = Found::default();
    let mut played = 0;
    while played < rounds {
        let is_played = timeout(PATIENCE + lease * 8, round.play(&mut found)).await;
        if is_played.context("a round does not end")?? {
            played += 1;
            println!("stop {played}: {found:?}");
        } else {
            found.void += 1;
            println!("stopped in the middle of a transaction: once more");
            ensure!(found.void <= rounds, "it is stopped in the middle of a transaction too often");
        }
    }
    println!(
        "{} late results taken, {} refused by the store, {} dropped before; {rounds} stops of \
         {count} jobs, {} more in the middle of a transaction; {store:?}",
        found.taken, found.refused, found.dropped, found.void,
    );
    ensure!(found.taken == 0, "a result was taken after its lease had run out");
    Ok(())
}

struct Round<'a> {
    queue: &'a Queue,
    worker: &'a Member,
    noted: &'a Path,
    lease: Duration,
    count: u32,
}

impl Round<'_> {
    /// Returns whether others could do the jobs while the worker stood still.
    async fn play(&self, found: &mut Found) -> Result<bool> {
        let until = self.queue.time().now() + self.lease * 4;
        let hold = |_| NewJob::new(Step::new(work::HOLD), &until.as_millis());
        let jobs = (0..self.count).map(hold).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<JobId> = jobs.iter().map(NewJob::id).collect();
        self.queue.enqueue_all(jobs).await?;
        self.until_noted("begin", &ids).await?;
        self.worker.signal("STOP")?;
        let other = Worker::builder(self.queue).lease(self.lease).handler(quick());
        let other = other.poll(Duration::from_millis(20)).build()?.start()?;
        let are_done = timeout(self.lease + GRACE, self.until_done(&ids)).await;
        if let Ok(done) = &are_done {
            done.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            // When it goes on, its handlers are through.
            sleep(until - self.queue.time().now()).await;
        }
        let before = if are_done.is_ok() { self.results(&ids).await? } else { HashMap::new() };
        self.worker.signal("CONT")?;
        // A job that had ended before the stop has no late result.
        let ours = |id: &&JobId| before.get(id).is_some_and(|result| result == r#""other""#);
        let ours: Vec<JobId> = ids.iter().filter(ours).copied().collect();
        self.until_noted("lost", &ours).await?;
        self.until_done(&ids).await?;
        other.stop(Duration::ZERO).await;

        let (late, after) = (self.count("late", &ours)?, self.results(&ids).await?);
        found.refused += late;
        found.dropped += ours.len() - late;
        found.taken += before.iter().filter(|(id, result)| after.get(id) != Some(*result)).count();
        Ok(are_done.is_ok())
    }

    async fn until_done(&self, ids: &[JobId]) -> Result<()> {
        for id in ids {
            self.queue.wait(*id).await?;
        }
        Ok(())
    }

    async fn results(&self, ids: &[JobId]) -> Result<HashMap<JobId, String>> {
        let mut results = HashMap::new();
        for id in ids {
            let job = self.queue.get(*id).await?.context("a job is gone")?;
            let result = job.result.map(|result| result.get().to_owned());
            results.insert(*id, result.unwrap_or_default());
        }
        Ok(results)
    }

    async fn until_noted(&self, word: &str, ids: &[JobId]) -> Result<()> {
        while self.count(word, ids)? < ids.len() {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Of how many of these jobs the worker has noted this.
    fn count(&self, word: &str, ids: &[JobId]) -> Result<usize> {
        let lines = log::read(self.noted)?;
        let noted = lines.iter().filter(|line| line.first().is_some_and(|first| first == word));
        let noted: Vec<&String> = noted.filter_map(|line| line.get(1)).collect();
        Ok(ids.iter().filter(|id| noted.contains(&&id.to_string())).count())
    }
}

/// What others do, while the worker stands still.
fn quick() -> Handler {
    Handler::new(work::HOLD, async |_: i64, _: JobContext| Ok::<_, Failure>("other"))
}

/// What the worker does: it has a result at this time, and not before.
pub(crate) fn hold(log: log::Log) -> Handler {
    Handler::new(work::HOLD, move |until: i64, job: JobContext| {
        let log = log.clone();
        async move {
            log.note(format_args!("begin {} 0 {} 0", job.id(), job.attempt()))?;
            sleep(Timestamp::from_millis(until) - job.clock().now()).await;
            log.note(format_args!("late {}", job.id()))?;
            Ok::<_, Failure>("late")
        }
    })
}

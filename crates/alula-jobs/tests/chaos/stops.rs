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

/// What has become of late results.
#[derive(Debug, Default)]
struct Found {
    /// The worker heard from the store that its result does not count.
    refused: usize,
    /// It had not even a result when it heard that the job is not its own.
    dropped: usize,
    /// It had ended before it was stopped.
    in_time: usize,
    taken: usize,
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
    let mut found = Found::default();
    for round in 1..=rounds {
        let round = Round { queue: &queue, worker: &worker, noted: &noted, lease, number: round };
        let played = timeout(PATIENCE + lease * 8, round.play(count, &mut found)).await;
        played.context("a round does not end")??;
    }
    println!(
        "{} late results taken, {} refused by the store, {} dropped before; {} jobs had ended \
         before their worker was stopped; {rounds} stops of {count} jobs, {store:?}",
        found.taken, found.refused, found.dropped, found.in_time,
    );
    ensure!(found.taken == 0, "a result was taken after its lease had run out");
    Ok(())
}

struct Round<'a> {
    queue: &'a Queue,
    worker: &'a Member,
    noted: &'a Path,
    lease: Duration,
    number: u32,
}

impl Round<'_> {
    async fn play(&self, count: u32, found: &mut Found) -> Result<()> {
        let until = self.queue.time().now() + self.lease * 4;
        let hold = |_| NewJob::new(Step::new(work::HOLD), &until.as_millis());
        let jobs = (0..count).map(hold).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<JobId> = jobs.iter().map(NewJob::id).collect();
        self.queue.enqueue_all(jobs).await?;
        self.until_noted("begin", &ids).await?;
        self.worker.signal("STOP")?;
        let other = Worker::builder(self.queue).lease(self.lease).handler(quick());
        let other = other.poll(Duration::from_millis(20)).build()?.start()?;
        for id in &ids {
            self.queue.wait(*id).await?;
        }
        // When it goes on, its handlers are through.
        while self.queue.time().now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        let results = self.results(&ids).await?;
        self.worker.signal("CONT")?;
        let ours = |id: &&JobId| results.get(id).is_some_and(|result| result == r#""other""#);
        let ours: Vec<JobId> = ids.iter().filter(ours).copied().collect();
        self.until_noted("lost", &ours).await?;
        other.stop(Duration::ZERO).await;

        let late = self.count("late", &ours)?;
        let after = self.results(&ids).await?;
        let taken = results.iter().filter(|(id, result)| after.get(id) != Some(*result)).count();
        found.in_time += ids.len() - ours.len();
        found.refused += late;
        found.dropped += ours.len() - late;
        found.taken += taken;
        println!("stop {}: {late} late results, {taken} taken", self.number);
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

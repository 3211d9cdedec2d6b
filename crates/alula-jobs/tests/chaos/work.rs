//! The jobs of a run, and what does them.

use std::time::Duration;

use alula_jobs::{
    Backoff, Ended, Event, Failure, Filter, Handler, JobContext, JobId, JobState, NewBatch, NewJob,
    Outcome, Queue, Step, StoreError,
};
use fastrand::Rng;

use crate::log::Log;

const FIRST: &str = "first.v1";
const SECOND: &str = "second.v1";
pub(crate) const ITEM: &str = "item.v1";
pub(crate) const JOIN: &str = "join.v1";
pub(crate) const TOLD: &str = "told.v1";
pub(crate) const TICK: &str = "tick.v1";
pub(crate) const HOLD: &str = "hold.v1";

/// So many that a job whose worker is killed again and again still has one left.
const ATTEMPTS: u32 = 100;
/// How many jobs a worker does at once.
pub(crate) const SLOTS: u32 = 64;
/// How many children a batch has.
const CHILDREN: u64 = 5;
/// How long a step takes, at most.
const WORK_MILLIS: u64 = 20;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(100));

/// Something to enqueue.
#[derive(Debug)]
pub(crate) enum Order {
    Job(NewJob, u64),
    Batch(NewBatch),
}

impl Order {
    /// Half of all are chains; there are batches, and jobs that come later.
    pub(crate) fn draw(rng: &mut Rng) -> Result<Self, serde_json::Error> {
        let n = rng.u64(..1_000_000);
        Ok(match rng.u32(..100) {
            0..5 => {
                let items = (0..CHILDREN).map(|n| NewJob::new(step(ITEM), &n));
                let batch =
                    NewBatch::new(items.collect::<Result<_, _>>()?).then(step(JOIN), &())?;
                Self::Batch(batch.on_end(step(TOLD), &())?)
            }
            5..30 => {
                let delay = Duration::from_millis(rng.u64(1..500));
                Self::Job(NewJob::new(step(ITEM), &n)?.delay(delay), n)
            }
            30..50 => Self::Job(NewJob::new(step(ITEM), &n)?, n),
            _ => {
                let chain = NewJob::new(step(FIRST), &n)?.then(step(SECOND));
                Self::Job(chain.on_end(step(TOLD), &())?, n + 1)
            }
        })
    }

    /// Enqueues it. It may be asked for more than once.
    pub(crate) async fn enqueue(&self, queue: &Queue) -> Result<(), StoreError> {
        match self {
            Self::Job(job, _) => queue.enqueue(job.clone()).await.map(|_| ()),
            Self::Batch(batch) => queue.batch(batch.clone()).await.map(|_| ()),
        }
    }

    pub(crate) fn id(&self) -> JobId {
        match self {
            Self::Job(job, _) => job.id(),
            Self::Batch(batch) => batch.id(),
        }
    }

    /// What comes of it.
    pub(crate) fn expected(&self) -> u64 {
        match self {
            Self::Job(_, n) => *n,
            Self::Batch(_) => CHILDREN,
        }
    }
}

fn step(name: &str) -> Step {
    Step::new(name).max_attempts(ATTEMPTS)
}

/// What workers do. Each call is noted before it does anything.
pub(crate) fn handlers(log: &Log) -> [Handler; 6] {
    let noting = |log: &Log, job: &JobContext, first: u32| {
        log.note(format_args!("begin {} {} {} {first}", job.id(), job.step_number(), job.attempt()))
    };
    let to = || log.clone();
    let log = to();
    let first = Handler::new(FIRST, move |n: u64, job: JobContext| {
        let noted = noting(&log, &job, 0);
        async move {
            noted?;
            take_time().await;
            Ok::<_, Failure>((n, job.attempt()))
        }
    });
    let log = to();
    let second = Handler::new(SECOND, move |(n, first): (u64, u32), job: JobContext| {
        let noted = noting(&log, &job, first);
        async move {
            noted?;
            take_time().await;
            match (n % 4, job.attempt()) {
                (0, 1) => Err(Failure::new("the first one is never any good")),
                _ => Ok(n + 1),
            }
        }
    });
    let log = to();
    let item = Handler::new(ITEM, move |n: u64, job: JobContext| {
        let noted = noting(&log, &job, 0);
        async move {
            noted?;
            take_time().await;
            Ok::<_, Failure>(n)
        }
    });
    let join = Handler::new(JOIN, async |(): (), job: JobContext| {
        let children = Filter { parent: Some(job.id()), ..Filter::default() };
        Ok::<_, Failure>(job.queue().count(&children).await?.of(JobState::Succeeded))
    });
    let told = Handler::new(TOLD, async |ended: Ended, _: JobContext| Ok::<_, Failure>(ended));
    let tick = Handler::new(TICK, async |(): (), _: JobContext| Ok::<_, Failure>(()));
    [first, second, item, join, told, tick].map(|it| it.backoff(BACKOFF))
}

/// Notes the successes that the store has taken, and what was not this worker's any more.
pub(crate) fn observe(log: Log) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    move |event| {
        let (word, claim) = match event {
            Event::Ended { claim, outcome: Outcome::Succeeded, .. } => ("ended", claim),
            Event::Lost { claim } => ("lost", claim),
            _ => return,
        };
        if let Err(error) = log.note(format_args!("{word} {} {}", claim.held.id, claim.number)) {
            eprintln!("a worker cannot note what has happened: {error}");
        }
    }
}

async fn take_time() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..WORK_MILLIS))).await;
}

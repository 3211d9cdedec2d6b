//! One measurement of one system, in a process of its own.
//!
//! The process says `ready` when it is prepared, begins when it reads a line, says as JSON what it
//! has measured, and ends when its standard input is closed. `celery_agent.py` does the same.

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// How many jobs are one call where there are many.
const BULK: u64 = 1_000;
/// How many jobs are done at once.
pub(crate) const CONCURRENCY: u32 = 100;
/// How often is looked whether all are done.
const LOOK: Duration = Duration::from_millis(10);

/// A system that keeps jobs and does them. The argument of a job is a moment.
pub(crate) trait System: Clone + Send + Sync + 'static {
    /// What works until it is dropped.
    type Worker: Send;

    /// Enqueues jobs in one transaction. They are kept when it returns.
    fn enqueue(&self, moments: &[u64]) -> impl Future<Output = Result<()>> + Send;

    /// Begins to work, [`CONCURRENCY`] jobs at a time, each of which is [seen](Seen::see).
    fn work(&self, seen: Seen) -> impl Future<Output = Result<Self::Worker>> + Send;

    /// Whether the end of every job is kept.
    fn is_done(&self) -> impl Future<Output = Result<bool>> + Send;
}

/// What is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    task: Task,
    /// Jobs.
    count: u64,
    /// Jobs per second where that matters; how many enqueue at a time for [`Task::Single`].
    rate: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Enqueue jobs, many at a time.
    Bulk,
    /// Enqueue jobs one by one.
    Single,
    /// Do jobs that are there.
    Work,
    /// Do jobs as this process enqueues them.
    Alone,
    /// Do jobs as another process enqueues them.
    Listen,
    /// Enqueue jobs for another process.
    Send,
}

impl Plan {
    /// Reads `TASK COUNT RATE`.
    pub(crate) fn read(arguments: &[String]) -> Result<Self> {
        let [task, count, rate] = arguments else { bail!("say TASK COUNT RATE") };
        let task = match task.as_str() {
            "bulk" => Task::Bulk,
            "single" => Task::Single,
            "work" => Task::Work,
            "alone" => Task::Alone,
            "listen" => Task::Listen,
            "send" => Task::Send,
            other => bail!("there is no task `{other}`"),
        };
        Ok(Self { task, count: count.parse()?, rate: rate.parse()? })
    }
}

/// How long each job waited for its start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    micros: Mutex<Vec<u64>>,
    more: Notify,
}

impl Seen {
    /// A job has started that was enqueued at this moment.
    pub(crate) fn see(&self, moment: u64) {
        let waited = now().saturating_sub(moment);
        self.0.micros.lock().unwrap_or_else(PoisonError::into_inner).push(waited);
        self.0.more.notify_one();
    }

    /// Waits until so many have started.
    async fn all(&self, count: u64) -> Vec<u64> {
        loop {
            self.0.more.notified().await;
            let micros = self.0.micros.lock().unwrap_or_else(PoisonError::into_inner);
            if micros.len() as u64 >= count {
                return micros.clone();
            }
        }
    }
}

/// Microseconds since 1970, which are the same in all processes.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// Measures a system, and says what came of it.
pub(crate) async fn run(system: impl System, plan: &Plan) -> Result<()> {
    let seen = Seen::default();
    let mut worker = None;
    match plan.task {
        Task::Work => fill(&system, plan.count).await?,
        Task::Alone | Task::Listen => worker = Some(system.work(seen.clone()).await?),
        Task::Bulk | Task::Single | Task::Send => {}
    }
    say("ready")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    let began = Instant::now();
    let mut waited = Vec::new();
    match plan.task {
        Task::Bulk => fill(&system, plan.count).await?,
        Task::Single => one_by_one(&system, plan).await?,
        Task::Work => {
            worker = Some(system.work(seen.clone()).await?);
            seen.all(plan.count).await;
            while !system.is_done().await? {
                sleep(LOOK).await;
            }
        }
        Task::Alone => {
            paced(&system, plan).await?;
            waited = seen.all(plan.count).await;
        }
        Task::Listen => waited = seen.all(plan.count).await,
        Task::Send => paced(&system, plan).await?,
    }
    // A list of whole numbers is JSON as it is printed.
    say(&format!(r#"{{"seconds":{:?},"waited_us":{waited:?}}}"#, began.elapsed().as_secs_f64()))?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    drop(worker);
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("nobody listens")
}

async fn fill(system: &impl System, count: u64) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let jobs = left.min(BULK);
        system.enqueue(&vec![now(); usize::try_from(jobs)?]).await?;
        left -= jobs;
    }
    Ok(())
}

async fn one_by_one(system: &impl System, plan: &Plan) -> Result<()> {
    let mut callers = JoinSet::new();
    for _ in 0..plan.rate {
        let (system, jobs) = (system.clone(), plan.count / plan.rate.max(1));
        callers.spawn(async move {
            for _ in 0..jobs {
                system.enqueue(&[now()]).await?;
            }
            anyhow::Ok(())
        });
    }
    joined(callers).await
}

/// Enqueues each job when its time has come, however long the others take.
async fn paced(system: &impl System, plan: &Plan) -> Result<()> {
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(plan.rate.max(1))?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for _ in 0..plan.count {
        ticks.tick().await;
        let system = system.clone();
        calls.spawn(async move { system.enqueue(&[now()]).await });
    }
    joined(calls).await
}

async fn joined(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    Ok(())
}

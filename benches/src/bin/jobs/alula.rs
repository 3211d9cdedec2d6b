//! Our jobs, as they come.

use alula_jobs::{
    DEFAULT_QUEUE, Failure, Handler, JobContext, JobState, NewJob, Postgres, Queue, Running,
    Sqlite, Step, Worker,
};
use anyhow::{Result, bail};

use crate::agent::{CONCURRENCY, Plan, Seen, System, run};

/// Connections to Postgres.
const CONNECTIONS: u32 = 10;
const NAME: &str = "nothing.v1";

#[derive(Debug, Clone)]
struct Alula(Queue);

/// Does what `STORE TARGET TASK COUNT RATE` says.
pub(crate) async fn serve(arguments: &[String]) -> Result<()> {
    let [store, target, plan @ ..] = arguments else { bail!("say STORE TARGET TASK COUNT RATE") };
    let queue = match store.as_str() {
        "sqlite" => Queue::new(Sqlite::open(target).await?),
        "postgres" => Queue::new(Postgres::open(target, CONNECTIONS).await?),
        other => bail!("there is no store `{other}`"),
    };
    run(Alula(queue), &Plan::read(plan)?).await
}

impl System for Alula {
    type Worker = Running;

    async fn enqueue(&self, moments: &[u64]) -> Result<()> {
        let jobs = moments.iter().map(|moment| NewJob::new(Step::new(NAME), moment));
        self.0.enqueue_all(jobs.collect::<Result<_, _>>()?).await?;
        Ok(())
    }

    async fn work(&self, seen: Seen) -> Result<Running> {
        let handler = Handler::new(NAME, move |moment: u64, _: JobContext| {
            seen.see(moment);
            async { Ok::<_, Failure>(()) }
        });
        let worker = Worker::builder(&self.0).handler(handler);
        Ok(worker.concurrency(DEFAULT_QUEUE, CONCURRENCY).build()?.start()?)
    }

    async fn is_done(&self) -> Result<bool> {
        let left = [JobState::Scheduled, JobState::Queued, JobState::Running];
        let stats = self.0.stats().await?;
        Ok(stats.iter().all(|it| left.iter().all(|state| it.counts.of(*state) == 0)))
    }
}

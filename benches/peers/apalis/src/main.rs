//! apalis in the comparison of jobs. It does what `agent.rs` says.

#[path = "../../../src/bin/jobs/agent.rs"]
mod agent;

use std::time::Duration;

use anyhow::{Result, bail};
use apalis::prelude::*;
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_sqlite::{SqlitePool, SqliteStorage};
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use agent::{CONCURRENCY, Plan, Seen, System, run};

const QUEUE: &str = "jobs";
/// How many jobs are taken at once. Its default is 10.
const BATCH: usize = CONCURRENCY as usize;
/// How often it looks for jobs of which nobody tells it.
const LOOK: Duration = Duration::from_millis(25);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, target, plan @ ..] = arguments.as_slice() else { bail!("say STORE TARGET …") };
    let plan = Plan::read(plan)?;
    match store.as_str() {
        "sqlite" => run(Sqlite::open(target).await?, &plan).await,
        "postgres" => run(Postgres::open(target).await?, &plan).await,
        other => bail!("there is no store `{other}`"),
    }
}

/// A worker that is stopped when it is dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn see(moment: u64, seen: Data<Seen>) -> Result<(), BoxDynError> {
    seen.see(moment);
    Ok(())
}

fn tasks(moments: &[u64]) -> impl Iterator<Item = Task<Vec<u8>>> {
    moments.iter().map(|moment| TaskBuilder::new(moment.to_string().into_bytes()).build())
}

/// As its `setup` leaves it: `synchronous = OFF`.
#[derive(Clone)]
struct Sqlite(
    SqlitePool,
    std::sync::Arc<std::sync::Mutex<Option<apalis_sqlite::callback::HookCallbackListener>>>,
);

impl Sqlite {
    async fn open(path: &str) -> Result<Self> {
        let url = format!("sqlite://{path}?mode=rwc");
        let (pool, listener) = SqliteStorage::connect_with_callback(&url)?;
        SqliteStorage::setup(&pool).await?;
        Ok(Self(pool, std::sync::Arc::new(Some(listener).into())))
    }
}

impl System for Sqlite {
    type Worker = Worker;

    async fn enqueue(&self, moments: &[u64]) -> Result<()> {
        let tasks: Vec<_> = tasks(moments).collect();
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        apalis_sqlite::queries::push_tasks(&mut *transaction, QUEUE, &tasks).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn work(&self, seen: Seen) -> Result<Worker> {
        let config = apalis_sqlite::Config::default().queue(QUEUE).batch_size(BATCH);
        let Some(listener) = self.1.lock().unwrap().take() else { bail!("there is one worker") };
        let strategy = Strategy::new().stream(listener.ready_chunks(BATCH)).interval(LOOK);
        let backend = SqliteStorage::new(&self.0).with_config(config).poll_with_strategy(strategy);
        let worker = WorkerBuilder::new("bench").backend(backend).concurrency(BATCH).data(seen);
        let worker = worker.build(see);
        Ok(Worker(tokio::spawn(async move { worker.run().await.unwrap() })))
    }

    async fn is_done(&self) -> Result<bool> {
        let left = sqlx::query("SELECT 1 FROM Jobs WHERE status <> 'Done' LIMIT 1");
        Ok(left.fetch_optional(&self.0).await?.is_none())
    }
}

#[derive(Clone)]
struct Postgres(PgPool);

impl Postgres {
    async fn open(url: &str) -> Result<Self> {
        let pool = PgPool::connect(url).await?;
        PostgresStorage::setup(&pool).await?;
        Ok(Self(pool))
    }
}

impl System for Postgres {
    type Worker = Worker;

    async fn enqueue(&self, moments: &[u64]) -> Result<()> {
        let tasks: Vec<_> = tasks(moments).collect();
        let mut connection = self.0.acquire().await?;
        apalis_postgres::queries::push_tasks(&mut *connection, QUEUE, tasks).await?;
        Ok(())
    }

    async fn work(&self, seen: Seen) -> Result<Worker> {
        let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(BATCH);
        let backend = PostgresStorage::new(&self.0)
            .with_config(config)
            .with_pubsub()
            .poll_with_interval(LOOK);
        let worker = WorkerBuilder::new("bench").backend(backend).concurrency(BATCH).data(seen);
        let worker = worker.build(see);
        Ok(Worker(tokio::spawn(async move { worker.run().await.unwrap() })))
    }

    async fn is_done(&self) -> Result<bool> {
        let left = sqlx::query("SELECT 1 FROM apalis.jobs WHERE status <> 'Done' LIMIT 1");
        Ok(left.fetch_optional(&self.0).await?.is_none())
    }
}

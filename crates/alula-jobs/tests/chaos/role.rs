//! What the processes are that are killed.

use std::{
    io::Read as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use alula_jobs::{NewJob, Step, Worker};
use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{log::Log, place, stops, webhooks, work};

/// The argument that makes a process one of these.
pub(crate) const NAME: &str = "role";

/// How long an enqueuer waits between two jobs, at least and at most.
const PAUSE_MILLIS: std::ops::Range<u64> = 5..30;
/// How long it waits when the store does not take a job.
const AGAIN: Duration = Duration::from_millis(20);

/// What a process is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Role {
    /// It does jobs.
    Worker { address: String, log: PathBuf, lease_ms: u64 },
    /// It enqueues jobs, and notes those that were acknowledged.
    Enqueuer { address: String, log: PathBuf, seed: u64 },
    /// It enqueues as fast as it can.
    Hot { address: String, log: PathBuf },
    /// It is `alula serve`, or `alula worker` where it has no port.
    Server { program: PathBuf, port: Option<u16>, address: String, provider: String, lease_ms: u64 },
}

impl Role {
    /// What starts a process of this role.
    pub(crate) fn command(&self) -> Result<Command> {
        let Self::Server { program, port, address, provider, lease_ms } = self else {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([NAME, &serde_json::to_string(self)?]);
            return Ok(command);
        };
        let lease = Duration::from_millis(*lease_ms).as_secs_f64().to_string();
        let mut command = Command::new(program);
        match port {
            Some(port) => command.args(["serve", "--port", &port.to_string()]),
            None => command.arg("worker"),
        };
        command.env_clear().envs([
            ("DATABASE_URL", address.as_str()),
            ("OPENAI_API_KEY", "sk-chaos"),
            ("OPENAI_BASE_URL", provider),
            ("ALULA_JOBS_LEASE_SECONDS", &lease),
            ("ALULA_JOBS_ATTEMPTS", "100"),
            ("ALULA_WEBHOOK_SECRET", webhooks::SECRET),
            ("ALULA_WEBHOOK_ALLOW", "127.0.0.0/8"),
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let text = arguments.first().context("there is no role")?;
        serde_json::from_str(text).context("it is no role")
    }

    /// Plays it until nobody holds the other end of its standard input, so that nothing is left of
    /// a run that was broken off.
    pub(crate) async fn play(&self) -> Result<()> {
        tokio::select! {
            result = self.work() => result,
            ended = ended()? => Ok(ended?),
        }
    }

    async fn work(&self) -> Result<()> {
        match self {
            Self::Worker { address, log, lease_ms } => {
                let log = Log::open(log)?;
                let queue = place::open(address).await?;
                let worker = Worker::builder(&queue)
                    .lease(Duration::from_millis(*lease_ms))
                    .handlers(work::handlers(&log))
                    .handlers([webhooks::handler()?, stops::hold(log.clone())])
                    .concurrency("default", work::SLOTS)
                    .schedule(work::TICK, "* * * * * *", NewJob::new(Step::new(work::TICK), &())?)
                    .observe(work::observe(log));
                let _worker = worker.build()?.start()?;
                std::future::pending().await
            }
            Self::Enqueuer { address, log, seed } => {
                let (log, mut rng) = (Log::open(log)?, Rng::with_seed(*seed));
                let queue = place::open(address).await?;
                loop {
                    let order = work::Order::draw(&mut rng)?;
                    while let Err(error) = order.enqueue(&queue).await {
                        // Whoever has no answer asks again.
                        if !error.is_temporary() {
                            bail!(error);
                        }
                        tokio::time::sleep(AGAIN).await;
                    }
                    // Only from here on somebody counts on it.
                    log.note(format_args!("{} {}", order.id(), order.expected()))?;
                    tokio::time::sleep(Duration::from_millis(rng.u64(PAUSE_MILLIS))).await;
                }
            }
            Self::Server { .. } => bail!("it is another program"),
            Self::Hot { address, log } => {
                let (log, queue) = (Log::open(log)?, place::open(address).await?);
                loop {
                    let id = queue.enqueue(NewJob::new(Step::new(work::ITEM), &0)?).await?.id;
                    log.note(format_args!("{id}"))?;
                }
            }
        }
    }
}

/// Ready when the standard input is closed.
fn ended() -> std::io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

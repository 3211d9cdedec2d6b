//! The task that speaks with Redis: the only one of a process.

use std::{
    future::ready,
    io, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind,
    ToRedisArgs, Value, aio::MultiplexedConnection,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    job::{Hashes, Job, SCRIPTS},
    members::Members,
    tls::Tls,
};

/// How many jobs go to Redis in one piece.
const BATCH_MAX: usize = 128;
/// How long to wait for a connection while nobody waits for us.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The waits before connecting again, about.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// So that limits hold together again within two seconds after it is back.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What an error begins with that is one of the server, and not of a key.
const AWAY: [&str; 9] = [
    "BUSY",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "OOM",
    "READONLY",
];

/// What is known of the link at both of its ends.
#[derive(Debug)]
pub(super) struct Status {
    is_away: AtomicBool,
    reports_lost: AtomicU64,
    asked_in_vain: AtomicU64,
    /// When something may last have been booked that Redis does not know.
    gap: Mutex<Option<Instant>>,
}

impl Status {
    pub(super) fn new() -> Self {
        Self {
            is_away: AtomicBool::new(false),
            reports_lost: AtomicU64::new(0),
            asked_in_vain: AtomicU64::new(0),
            gap: Mutex::new(None),
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn reports_lost(&self) -> u64 {
        self.reports_lost.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self, reports: u64) {
        self.reports_lost.fetch_add(reports, Ordering::Relaxed);
    }

    pub(super) fn asked_in_vain(&self) -> u64 {
        self.asked_in_vain.load(Ordering::Relaxed)
    }

    /// Counts a call that had no answer in time. That there are ever more is said ever less often.
    pub(super) fn no_answer(&self, limit: Duration) {
        let calls = self.asked_in_vain.fetch_add(1, Ordering::Relaxed) + 1;
        if calls.is_power_of_two() && !self.is_away() {
            tracing::warn!(
                calls,
                ?limit,
                "Redis does not keep up: a call goes by this process alone"
            );
        }
    }

    pub(super) fn note_gap(&self) {
        *self.gap.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn gap(&self) -> Option<Instant> {
        *self.gap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a link is made.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) client: redis::Client,
    /// Nothing for a connection in the clear.
    pub(super) tls: Option<Tls>,
    /// A key that is written when a connection begins.
    pub(super) alive_key: Arc<str>,
    /// The longest wait for Redis.
    pub(super) timeout: Duration,
    /// How long what a process holds is believed, unless it says so again.
    pub(super) lease: Duration,
}

/// The far end of the queue of jobs.
///
/// Jobs go to Redis in the order in which they came, as many at once as have gathered meanwhile:
/// what a call told is known before the next one asks.
pub(super) struct Link {
    route: Route,
    status: Arc<Status>,
    members: Arc<Members>,
    jobs: mpsc::Receiver<Job>,
    connection: Option<Connection>,
    /// Rights to be kept.
    renewals: Vec<Job>,
    /// When to say what this process holds.
    renew_at: Instant,
    /// The next wait before connecting again.
    backoff: Duration,
    /// Whether it was said already that a job was refused.
    has_refused: bool,
}

/// The answers to jobs, in their order.
type Answers = Vec<RedisResult<Value>>;

pub(super) struct Connection {
    pub(super) redis: MultiplexedConnection,
    pub(super) hashes: Hashes,
    pub(super) lease: Duration,
}

impl Link {
    pub(super) fn new(
        route: Route,
        status: Arc<Status>,
        members: Arc<Members>,
        jobs: mpsc::Receiver<Job>,
    ) -> Self {
        Self {
            renew_at: Instant::now() + route.lease / 3,
            route,
            status,
            members,
            jobs,
            connection: None,
            renewals: Vec::new(),
            backoff: BACKOFF_MIN,
            has_refused: false,
        }
    }

    /// Does jobs until nobody can have any more.
    pub(super) async fn run(mut self) {
        let mut jobs = Vec::new();
        loop {
            tokio::select! {
                // What was left the last time waits for nothing.
                () = ready(()), if !jobs.is_empty() => {}
                count = self.jobs.recv_many(&mut jobs, BATCH_MAX) => if count == 0 { return },
                () = sleep_until(self.renew_at) => self.renew_all(&mut jobs),
            }
            match self.work(&mut jobs).await {
                Ok(()) => self.backoff = BACKOFF_MIN,
                Err(error) => {
                    self.give_up(&mut jobs);
                    self.away(&error).await;
                }
            }
        }
    }

    /// Does all jobs, and what they bring about. Jobs that are left after an error were not done,
    /// or not surely.
    async fn work(&mut self, jobs: &mut Vec<Job>) -> RedisResult<()> {
        while !jobs.is_empty() {
            jobs.retain(Job::is_wanted);
            let mut answers = self.send(jobs).await;
            if answers.as_ref().is_err_and(|it| it.is_connection_dropped() && !it.is_timeout()) {
                // The server was restarted, or has closed an idle connection. What was asked can
                // be asked again; what was told may have arrived, and does not bear to be twice.
                self.connection = None;
                self.status.note_gap();
                self.lose(jobs.extract_if(.., |job| job.is_report()).count());
                answers = self.send(jobs).await;
            }
            let (answers, mut next, mut away) = (answers?, Vec::new(), None);
            for (job, answer) in jobs.drain(..).zip(answers) {
                match answer {
                    Ok(answer) => match job.answer(&answer) {
                        Some(job @ Job::Renew(..)) => self.renewals.push(job),
                        Some(job) => next.push(job),
                        None => {}
                    },
                    Err(error) if is_away(&error) => {
                        next.push(job);
                        away = Some(error);
                    }
                    Err(error) => self.refused(&job, &error),
                }
            }
            *jobs = next;
            if let Some(error) = away {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does without a job that Redis refuses, such as one whose key holds something else. The
    /// others are none the worse for it.
    fn refused(&mut self, job: &Job, error: &RedisError) {
        self.lose(usize::from(job.is_report()));
        let key = job.key();
        if mem::replace(&mut self.has_refused, true) {
            tracing::debug!(%error, key, "Redis refuses what it is asked");
        } else {
            tracing::warn!(%error, key, "Redis refuses what it is asked: this is not shared");
        }
    }

    async fn send(&mut self, jobs: &[Job]) -> RedisResult<Answers> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect(self.route.timeout).await?,
        };
        let connection = self.connection.insert(connection);
        within(self.route.timeout, connection.send(jobs)).await
    }

    /// Connects, and tells of the calls under way before anybody asks: this Redis may know of none.
    async fn connect(&self, limit: Duration) -> RedisResult<Connection> {
        let connect = async {
            let mut connection = Connection::open(&self.route).await?;
            connection.send(&self.members.stay()).await?;
            Ok(connection)
        };
        within(limit, connect).await
    }

    /// Says in one piece what this process holds.
    fn renew_all(&mut self, jobs: &mut Vec<Job>) {
        jobs.append(&mut self.renewals);
        jobs.append(&mut self.members.stay());
        self.renew_at = Instant::now() + self.route.lease / 3;
    }

    /// Who waits for an answer goes on without one. Who has left is told of when Redis is back.
    fn give_up(&mut self, jobs: &mut Vec<Job>) {
        self.lose(jobs.extract_if(.., |job| job.is_report()).count());
        self.renewals.extend(jobs.extract_if(.., |job| matches!(job, Job::Renew(..))));
        jobs.retain(|job| matches!(job, Job::Leave(..)));
    }

    fn lose(&self, reports: usize) {
        self.status.lost(u64::try_from(reports).unwrap_or(u64::MAX));
    }

    /// Waits until Redis is back, or nobody needs it any more. Processes do not come together.
    async fn away(&mut self, error: &RedisError) {
        self.connection = None;
        self.status.is_away.store(true, Ordering::Relaxed);
        tracing::warn!(%error, "Redis is away: limits and breakers are those of this process alone");
        while !self.jobs.is_closed() {
            sleep(self.backoff.mul_f64(0.5 + fastrand::f64())).await;
            self.backoff = self.backoff.saturating_mul(2).min(BACKOFF_MAX);
            match self.connect(CONNECT_TIMEOUT).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.status.note_gap();
                    self.status.is_away.store(false, Ordering::Relaxed);
                    tracing::info!("Redis is back: limits and breakers are shared again");
                    return;
                }
                Err(error) => tracing::debug!(%error, "Redis is still away"),
            }
        }
    }
}

impl Connection {
    pub(super) async fn open(route: &Route) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        let client = &route.client;
        let mut redis = match &route.tls {
            Some(tls) => tls.connect(client, config).await?,
            None => client.get_multiplexed_async_connection_with_config(&config).await?,
        };
        let hashes = load(&mut redis, SCRIPTS).await?;
        // One that may only be read is not the one.
        let mut write = redis::cmd("SET");
        write.arg(&*route.alive_key).arg(1).arg("PX").arg(1_000);
        write.exec_async(&mut redis).await?;
        Ok(Self { redis, hashes, lease: route.lease })
    }

    /// Sends all jobs, of which Redis may refuse some.
    pub(super) async fn send(&mut self, jobs: &[Job]) -> RedisResult<Answers> {
        let mut answers = self.try_send(jobs).await?;
        if answers.iter().any(is_unknown) {
            // Somebody has made Redis forget its scripts; nothing of these jobs was done.
            self.hashes = load(&mut self.redis, SCRIPTS).await?;
            for (job, answer) in jobs.iter().zip(&mut answers).filter(|(_, it)| is_unknown(it)) {
                let again = self.try_send(std::slice::from_ref(job)).await?;
                *answer = again.into_iter().next().unwrap_or(Ok(Value::Nil));
            }
        }
        Ok(answers)
    }

    async fn try_send(&mut self, jobs: &[Job]) -> RedisResult<Answers> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(jobs.len());
        pipeline.ignore_errors();
        for job in jobs {
            pipeline.add_command(job.command(&self.hashes, self.lease));
        }
        pipeline.query_async(&mut self.redis).await
    }
}

pub(super) async fn load<S: ToRedisArgs>(
    redis: &mut MultiplexedConnection,
    scripts: [S; SCRIPTS.len()],
) -> RedisResult<Hashes> {
    let mut pipeline = Pipeline::with_capacity(scripts.len());
    for script in scripts {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script);
    }
    let hashes: Vec<String> = pipeline.query_async(redis).await?;
    hashes.try_into().map_err(|_| (ErrorKind::UnexpectedReturnType, "a script has no name").into())
}

fn is_unknown(answer: &RedisResult<Value>) -> bool {
    let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
    answer.as_ref().is_err_and(|error| error.kind() == unknown)
}

/// Whether every job would fail like this.
fn is_away(error: &RedisError) -> bool {
    let code = error.code().unwrap_or_default();
    // Redis 6 puts what a command of a script said into an error of its own.
    let mut words = error.detail().unwrap_or_default().split(' ');
    AWAY.contains(&code)
        || words.any(|it| it.strip_prefix('-').is_some_and(|it| AWAY.contains(&it)))
}

async fn within<T>(limit: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    timeout(limit, work).await.map_err(late)?
}

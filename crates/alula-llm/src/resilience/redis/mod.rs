//! Breakers and limits that processes share through Redis.

mod job;
mod link;
mod members;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use self::{
    job::{Ask, Job},
    link::{CONNECT_TIMEOUT, Connection, Link, Route, Status},
    members::Members,
    tls::Tls,
};
use super::shared::{
    Booking, Correction, Member, News, SharedState, Sharing, Store, Ticket, TooLong, Turn, Verdict,
};
use crate::{Error, ErrorKind, Result, providers::tls_config};

/// How many jobs may wait for Redis. Who asks more than this waits for room, as long as for an
/// answer; who reports does not.
const JOBS_MAX: usize = 1_024;
/// Shorter leases would be renewed all the time.
const LEASE_MIN: Duration = Duration::from_millis(100);

/// A Redis, or a Valkey, in which processes share what limits a provider: the state of breakers,
/// and the requests and tokens of the last minute.
///
/// [Quotas](crate::Quota) of one's own callers, and how many calls they have at a
/// [time](crate::Concurrency), are shared in the same way. Clones of this share one connection.
///
/// Limits then hold for all processes together, and one process tries again for all of them what
/// the others leave alone. Concurrent calls to a provider and the budget of retries stay those of
/// each process.
///
/// A call asks Redis twice, for its breaker and for its turn, each in one round trip; how it ended
/// is told behind its back. Time is that of Redis, so that the clocks of processes do not matter.
/// Keys are gone by themselves, at the latest a day after the last news.
///
/// **No call fails because of Redis.** Where it does not answer [in time](Self::timeout), a process
/// goes by a state of its own, which has counted its own calls all along; it says so once in a
/// warning and in [`Llm::shared_state`](crate::Llm::shared_state), and is back by itself when Redis
/// is. Meanwhile each process holds to the limits on its own, which lets all of them together do
/// more. Where Redis refuses one key, such as one that holds something else, only what that key is
/// for is not shared; the first time a warning says so.
///
/// It takes Redis 6 or newer as a single server, by TLS if the URL begins with `rediss://`: with the
/// platform's certificates, like providers. Without TLS use a network that is yours.
///
/// ```
/// use alula_llm::{Demo, Llm, Redis};
///
/// # fn main() -> alula_llm::Result<()> {
/// let redis = Redis::new("redis://:password@localhost:6379/0")?.prefix("billing");
/// let llm = Llm::builder().provider(Demo::new()).shared_state(redis).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    client: redis::Client,
    tls: Option<Tls>,
    prefix: String,
    timeout: Duration,
    lease: Duration,
    /// The one that all clones use.
    store: Arc<OnceLock<Arc<RedisStore>>>,
}

impl Redis {
    /// The Redis at this URL: `redis://[user][:password@]host[:port][/database]`, `rediss://` for
    /// the same by TLS, or `redis+unix:///path`. Nothing is connected before the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when it is no such URL, or when this machine has no certificates.
    pub fn new(url: &str) -> Result<Self> {
        let cannot = || Error::new(ErrorKind::Config, "the URL of Redis cannot be used");
        // TLS is ours, with one set of certificates for all that is called.
        let by_tls = url.strip_prefix("rediss://").filter(|rest| !rest.contains('#'));
        let plain = by_tls.map(|rest| format!("redis://{rest}"));
        let client = redis::Client::open(plain.as_deref().unwrap_or(url));
        let client = client.map_err(|error| cannot().with_source(error))?;
        let tls = match by_tls {
            Some(_) => Some(Tls::of(&client, tls_config()?).ok_or_else(cannot)?),
            None => None,
        };
        let (timeout, lease) = (Duration::from_millis(100), Duration::from_secs(15));
        Ok(Self { client, tls, prefix: "alula".to_owned(), timeout, lease, store: Arc::default() })
    }

    /// Sets what all keys begin with: those who share a prefix share limits. `alula`.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), store: Arc::default(), ..self }
    }

    /// Sets how long a call waits for Redis at most, each time it asks. 100 ms.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, store: Arc::default(), ..self }
    }

    /// Sets how long Redis believes what it was told of a process that has said nothing since: that
    /// it tries a target for all of them, and which [calls](crate::Concurrency) it has under way. A
    /// process says it again three times in it, so that one that was killed is forgotten after it,
    /// and one that is slow is not. All processes should have the same. 15 s, and 100 ms at least.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease: lease.max(LEASE_MIN), store: Arc::default(), ..self }
    }

    /// Connects once, to tell whoever starts a program that nobody is there. Calls do without.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] when it does not answer within a second.
    pub async fn check(&self) -> Result<()> {
        let opened = timeout(CONNECT_TIMEOUT, Connection::open(&self.route())).await;
        let away = Error::new(ErrorKind::Connect, "Redis does not answer");
        match opened {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(away.with_source(error)),
            Err(_) => Err(away),
        }
    }

    /// How it stands with it.
    pub fn state(&self) -> SharedState {
        self.clone().open().state()
    }

    fn route(&self) -> Route {
        let alive_key = format!("{}:alive", self.prefix).into();
        let (client, tls) = (self.client.clone(), self.tls.clone());
        Route { client, tls, alive_key, timeout: self.timeout, lease: self.lease }
    }

    pub(crate) fn open(self) -> Sharing {
        let store = self.store.get_or_init(|| {
            let (status, queue) = (Arc::new(Status::new()), Mutex::new(None));
            let members = Arc::new(Members::new());
            Arc::new(RedisStore { route: self.route(), status, members, queue })
        });
        Sharing::new(store.clone(), self.prefix)
    }
}

impl fmt::Debug for Redis {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The near end of the link to Redis.
struct RedisStore {
    route: Route,
    status: Arc<Status>,
    members: Arc<Members>,
    /// To the task that speaks with Redis, which begins with the first call.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
}

impl RedisStore {
    /// Asks, and waits for no longer than a call may: for room in the queue and for the answer.
    async fn ask<A>(
        &self,
        key: &Arc<str>,
        ask: impl FnOnce(oneshot::Sender<A>) -> Ask,
    ) -> Option<A> {
        if self.status.is_away() {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let (queue, job) = (self.queue(), Job::Ask(key.clone(), ask(reply)));
        let asking = async {
            queue.send(job).await.ok()?;
            answer.await.ok()
        };
        let answer = timeout(self.route.timeout, asking).await.unwrap_or_else(|_| {
            self.status.no_answer(self.route.timeout);
            None
        });
        if answer.is_none() {
            self.status.note_gap();
        }
        answer
    }

    /// The queue of the task, which is begun where there is none, or where the runtime that it
    /// was in is gone.
    fn queue(&self) -> mpsc::Sender<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queue.as_ref().filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (sender, jobs) = mpsc::channel(JOBS_MAX);
        let (status, members) = (self.status.clone(), self.members.clone());
        let link = Link::new(self.route.clone(), status, members, jobs);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last that holds the queue"
        )]
        tokio::spawn(link.run());
        queue.insert(sender).clone()
    }

    /// Puts a report into the queue, and counts it if there is no room. There is always a queue:
    /// who reports has asked before.
    fn report(&self, job: Job) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if queue.is_none_or(|queue| queue.try_send(job).is_err()) {
            self.status.lost(1);
        }
    }
}

impl Store for RedisStore {
    fn reserve<'a>(
        &'a self,
        key: &'a Arc<str>,
        booking: Booking,
    ) -> BoxFuture<'a, Option<Result<Turn, TooLong>>> {
        self.ask(key, move |reply| Ask::Turn { booking, reply }).boxed()
    }

    fn correct(&self, key: &Arc<str>, correction: Correction) {
        self.report(Job::Correct(key.clone(), correction));
    }

    fn admit<'a>(&'a self, key: &'a Arc<str>) -> BoxFuture<'a, Option<Verdict>> {
        self.ask(key, |reply| Ask::Admission { ticket: Ticket::new(), reply }).boxed()
    }

    /// What ends while Redis is away is told to nobody: by then it is late news.
    fn tell(&self, key: &Arc<str>, news: News) {
        if !self.status.is_away() {
            self.report(Job::Tell(key.clone(), news));
        }
    }

    fn new_member(&self) -> Member {
        self.members.new_member()
    }

    fn join<'a>(
        &'a self,
        key: &'a Arc<str>,
        member: Member,
        max: usize,
    ) -> BoxFuture<'a, Option<bool>> {
        self.ask(key, move |reply| Ask::Join { member, max, reply }).boxed()
    }

    fn stay(&self, key: &Arc<str>, member: Member) {
        self.members.insert(key, member);
    }

    fn leave(&self, key: &Arc<str>, member: Member) {
        // First here, so that nothing after the report says that it stays.
        self.members.remove(key, member);
        self.report(Job::Leave(key.clone(), member));
    }

    fn has_gaps(&self, within: Duration) -> bool {
        self.status.gap().is_some_and(|at| Instant::now().duration_since(at) <= within)
    }

    fn state(&self) -> SharedState {
        SharedState {
            is_away: self.status.is_away(),
            reports_lost: self.status.reports_lost(),
            asked_in_vain: self.status.asked_in_vain(),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("status", &self.status).finish_non_exhaustive()
    }
}

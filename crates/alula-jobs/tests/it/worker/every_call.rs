//! The same work again and again, in which another call of the store fails each time, before or
//! after it was made: whichever it is, the work comes to the same end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use alula_jobs::{
    Backoff, Clock, Ended, Failure, Filter, Handler, JobContext, JobId, JobState, NewBatch, NewJob,
    Postgres, Queue, Retention, Running, Sqlite, Step, Store, StoreError, Timestamp, Worker,
};
use futures_util::{StreamExt as _, future::join_all, stream};
use sqlx::{Connection as _, PgConnection};

use super::{
    Duration, ended,
    faulty::{Call, Fault, Faulty},
    soon, start,
};
use crate::store::postgres;

/// Long enough for a busy machine, and short enough for what waits for its end.
const LEASE: Duration = Duration::from_millis(150);
const POLL: Duration = Duration::from_millis(20);
/// How many runs there are at once: they mostly wait.
const AT_ONCE: usize = 24;
const MINUTE: Duration = Duration::from_secs(60);

/// Which call fails, from 0, and when.
type Failing = Option<(Call, usize, Fault)>;

#[tokio::test]
async fn whichever_call_fails_the_work_comes_to_the_same_end() {
    let calls = Run::new(Sqlite::in_memory().await.unwrap(), None).work().await;
    let mut all = Vec::new();
    for call in Call::ALL {
        assert!(calls[call as usize] > 0, "{call:?} is not called");
        for number in 0..calls[call as usize] {
            all.extend([Fault::Before, Fault::After].map(|fault| Some((call, number, fault))));
        }
    }
    let run = async |failing| {
        Run::new(Sqlite::in_memory().await.unwrap(), failing).work().await;
    };
    stream::iter(all).map(run).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Only the first call of each kind, and only those that were made: of the others Postgres never
/// hears. In several databases at once.
#[tokio::test]
async fn whichever_call_fails_in_postgres_the_work_comes_to_the_same_end() {
    let Some(server) = postgres::Postgres::start() else { return };
    let creates = ["CREATE DATABASE run0", "CREATE DATABASE run1", "CREATE DATABASE run2"];
    let run = async |(create, calls): (&'static str, &[Call])| {
        let mut conn = PgConnection::connect(&server.url()).await.unwrap();
        sqlx::raw_sql(create).execute(&mut conn).await.unwrap();
        let name = create.rsplit(' ').next().unwrap();
        let url = server.url().replace("/postgres", &format!("/{name}"));
        let store = Postgres::open(&url, 4).await.unwrap();
        for call in calls {
            Run::new(store.clone(), Some((*call, 0, Fault::After))).work().await;
        }
        store.close().await;
    };
    let calls = Call::ALL.chunks(Call::ALL.len().div_ceil(creates.len()));
    join_all(creates.into_iter().zip(calls).map(run)).await;
}

/// The work, and what is known of it.
struct Run {
    store: Faulty,
    queue: Queue,
    clock: Clock,
    failing: Failing,
    name: String,
    seen: Arc<Seen>,
}

/// What handlers have seen.
#[derive(Default)]
struct Seen {
    /// Steps that were called: of which job, which step, which attempt.
    called: Mutex<Vec<(JobId, u32, u32)>>,
    /// The attempt by which the first step of a chain succeeded.
    acknowledged: Mutex<Vec<(JobId, u32)>>,
    is_healed: AtomicBool,
}

impl Run {
    fn new(store: impl Store, failing: Failing) -> Self {
        let store = Faulty::new(store);
        let clock = Clock::manual(Timestamp::from_millis(0));
        let queue = Queue::new(store.clone()).clock(clock.clone());
        let queue = queue.watch_interval(Duration::from_millis(5));
        if let Some((call, number, fault)) = failing {
            store.fail(move |made, before| (made == call && before == number).then_some(fault));
        }
        let name = failing.map_or_else(
            || "nothing fails".to_owned(),
            |(call, number, fault)| format!("{call:?} {number} fails {fault:?}"),
        );
        Self { store, queue, clock, failing, name, seen: Arc::default() }
    }

    /// Does the work, and returns how many calls of each kind it took.
    async fn work(self) -> [usize; Call::ALL.len()] {
        let work = async {
            let worker = self.start();
            let chain = self.chains_and_batches().await;
            self.cancelled_and_retried().await;
            self.scheduled().await;
            self.quiet().await;
            assert_eq!(worker.stop(Duration::ZERO).await.unsaved, 0, "{}", self.name);
            self.check(chain).await;
            self.sweep().await;
        };
        let work = async {
            tokio::select! {
                () = work => {}
                () = pass(&self.clock) => {}
            }
        };
        tokio::time::timeout(super::PATIENCE * 2, work).await.expect(&self.name);
        Call::ALL.map(|call| self.store.calls(call))
    }

    fn start(&self) -> Running {
        let tick = Handler::new("tick.v1", async |(): (), _: JobContext| Ok::<_, Failure>(()));
        let job = NewJob::new(tick.step(), &()).unwrap();
        let worker = Worker::builder(&self.queue).lease(LEASE).poll(POLL);
        start(worker.schedule(&self.name, "* * * * *", job).handler(tick).handlers(self.handlers()))
    }

    fn handlers(&self) -> Vec<Handler> {
        let of = |name: &str, work: fn(Work) -> Result<u32, Failure>| {
            let (seen, name) = (Arc::clone(&self.seen), name.to_owned());
            let handler = Handler::new(name, move |args: u32, job: JobContext| {
                seen.note(&job);
                let result = work(Work { args, job, seen: Arc::clone(&seen) });
                async move { result }
            });
            often(handler)
        };
        let (store, seen) = (self.store.clone(), Arc::clone(&self.seen));
        let hold = Handler::new("hold.v1", move |(): (), job: JobContext| {
            seen.note(&job);
            let store = store.clone();
            async move {
                store.until(Call::Renew, 3).await;
                Ok::<_, Failure>(())
            }
        });
        let endless = Handler::new("endless.v1", async |(): (), _: JobContext| {
            std::future::pending::<Result<(), Failure>>().await
        });
        let join = Handler::new("join.v1", async |(): (), job: JobContext| {
            let children = Filter { parent: Some(job.id()), ..Filter::default() };
            let counts = job.queue().count(&children).await?;
            Ok::<_, Failure>((counts.of(JobState::Succeeded), counts.of(JobState::Failed)))
        });
        let told =
            Handler::new("told.v1", async |ended: Ended, _: JobContext| Ok::<_, Failure>(ended));
        let values = vec![
            of("one.v1", |work| Ok(work.job.attempt())),
            of("two.v1", |work| {
                work.seen.acknowledged.lock().unwrap().push((work.job.id(), work.args));
                if work.job.attempt() == 1 { Err(Failure::new("not yet")) } else { Ok(7) }
            }),
            of("item.v1", |work| match work.args {
                1 => Err(Failure::terminal("this one is bad")),
                n => Ok(n),
            }),
            of("flaky.v1", |work| match work.seen.is_healed.load(SeqCst) {
                false => Err(Failure::terminal("it is not healed")),
                true => Ok(1),
            }),
        ];
        values.into_iter().chain([hold, endless, join, told].map(often)).collect()
    }

    /// A chain whose second step fails once, a batch of which one fails, a job that comes later,
    /// and one that takes several renewals of its lease. Returns the chain.
    async fn chains_and_batches(&self) -> JobId {
        let chain = job("one.v1", &0).then(step("two.v1")).on_end(step("told.v1"), &()).unwrap();
        let chain = self.enqueue(chain).await;
        let items = (0..3).map(|n| job("item.v1", &n)).collect();
        let batch = NewBatch::new(items).then(step("join.v1"), &()).unwrap();
        let batch = batch.on_end(step("told.v1"), &()).unwrap();
        let batch = again(async || self.queue.batch(batch.clone()).await).await;
        let later = self.enqueue(job("item.v1", &5).delay(Duration::from_millis(30))).await;
        let hold = self.enqueue(job("hold.v1", &())).await;
        assert_eq!(self.succeeds(chain).await, "7");
        assert_eq!(self.succeeds(batch).await, "[2,1]");
        assert_eq!(self.succeeds(later).await, "5");
        assert_eq!(self.succeeds(hold).await, "null");
        chain
    }

    /// A job that is stopped while it runs, and one that begins anew when it has failed.
    async fn cancelled_and_retried(&self) {
        let told = |job: NewJob| job.on_end(step("told.v1"), &()).unwrap();
        let endless = self.enqueue(told(job("endless.v1", &()))).await;
        let flaky = self.enqueue(told(job("flaky.v1", &0))).await;
        assert_eq!(ended(&self.queue, flaky).await.state, JobState::Failed, "{}", self.name);
        self.seen.is_healed.store(true, SeqCst);
        again(async || self.queue.retry(flaky).await).await;
        assert_eq!(self.succeeds(flaky).await, "1");
        while self.queue.get(endless).await.unwrap().unwrap().state != JobState::Running {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        again(async || self.queue.cancel(endless).await).await;
        assert_eq!(ended(&self.queue, endless).await.state, JobState::Cancelled, "{}", self.name);
    }

    /// A minute passes, and a schedule is due.
    async fn scheduled(&self) {
        let fails = |it: Call| self.failing.is_some_and(|(call, at, _)| call == it && at == 0);
        soon(self.store.until(Call::Schedule, 1 + usize::from(fails(Call::Schedule)))).await;
        self.quiet().await;
        self.clock.advance(MINUTE);
        soon(self.store.until(Call::Fire, 1 + usize::from(fails(Call::Fire)))).await;
    }

    /// Waits until every job has ended.
    async fn quiet(&self) {
        loop {
            let counts = self.queue.count(&Filter::default()).await.unwrap();
            if counts.total() == counts.ended() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn check(&self, chain: JobId) {
        let Self { name, seen, .. } = self;
        let all = Filter { limit: 1000, ..Filter::default() };
        let jobs = self.queue.list_whole(&all).await.unwrap();
        let of = |name| jobs.iter().filter(move |job| job.step.name == name);
        let ends: BTreeSet<(String, i64)> = of("told.v1")
            .map(|told| told.result::<Ended>().unwrap().unwrap())
            .map(|ended| (ended.job.to_string(), ended.token))
            .collect();
        // The chain, the batch and the one that was stopped; the one that began anew ended twice.
        assert_eq!((of("told.v1").count(), ends.len()), (5, 5), "{name}: {ends:?}");
        assert_eq!(of("tick.v1").count(), 1, "{name}");
        assert_eq!(jobs.len(), 12, "{name}: {jobs:?}");
        let mut steps = self.store.succeeded();
        let taken = steps.len();
        steps.sort_unstable_by_key(|(id, number)| (id.to_string(), *number));
        steps.dedup();
        assert_eq!(steps.len(), taken, "{name}: a step has succeeded twice");
        let called = seen.called.lock().unwrap();
        let distinct: BTreeSet<_> =
            called.iter().map(|(id, step, attempt)| (id.to_string(), step, attempt)).collect();
        assert_eq!(distinct.len(), called.len(), "{name}: an attempt was made twice");
        let acknowledged = seen.acknowledged.lock().unwrap();
        let (_, by) = acknowledged.first().unwrap();
        let firsts = called.iter().filter(|(id, step, _)| *id == chain && *step == 0);
        let last = firsts.map(|(.., attempt)| attempt).max();
        assert_eq!(last, Some(by), "{name}: step one was repeated after it had succeeded");
    }

    /// Nothing is left of it.
    async fn sweep(&self) {
        let at_once = Retention { done: Duration::ZERO, failed: Duration::ZERO };
        let later = self.clock.now() + MINUTE;
        // It passes over what a call that was given up still has locked.
        let swept = async {
            while self.queue.count(&Filter::default()).await.unwrap().total() > 0 {
                again(async || self.store.sweep(&at_once, 4, later).await).await;
            }
        };
        soon(swept).await;
    }

    async fn enqueue(&self, job: NewJob) -> JobId {
        let enqueued = again(async || self.queue.enqueue(job.clone()).await).await;
        assert_eq!(enqueued.id, job.id());
        enqueued.id
    }

    /// The result of a job.
    async fn succeeds(&self, id: JobId) -> String {
        let job = ended(&self.queue, id).await;
        assert_eq!(job.state, JobState::Succeeded, "{}: {:?}", self.name, job.error);
        job.result.unwrap().get().to_owned()
    }
}

/// What a handler is called with.
struct Work {
    args: u32,
    job: JobContext,
    seen: Arc<Seen>,
}

impl Seen {
    /// A job that begins anew counts its attempts anew, and is not looked at.
    fn note(&self, job: &JobContext) {
        if job.step().name != "flaky.v1" {
            self.called.lock().unwrap().push((job.id(), job.step_number(), job.attempt()));
        }
    }
}

fn often(handler: Handler) -> Handler {
    handler.backoff(Backoff::new(Duration::from_millis(5), Duration::from_millis(5)))
}

/// A step that outlives a machine on which leases run out.
fn step(name: &str) -> Step {
    Step::new(name).max_attempts(50)
}

fn job(name: &str, args: &impl serde::Serialize) -> NewJob {
    NewJob::new(step(name), args).unwrap()
}

/// Calls a store until it answers, as a client does.
async fn again<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
    }
}

/// Lets the time of a clock pass as it does, for ever.
async fn pass(clock: &Clock) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = Instant::now();
        // The clock has no smaller unit.
        let passed = Duration::from_millis((now - last).as_millis().try_into().unwrap());
        clock.advance(passed);
        last += passed;
    }
}

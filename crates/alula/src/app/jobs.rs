//! The jobs of an application: which there are, and the worker that does them.

use std::{fmt, io, sync::Arc, time::Duration};

use alula_jobs::{
    Clock, Handler, NewJob, Queue, Running as RunningWorker, Stopped, Worker, WorkerBuilder,
};
use tokio::time::Instant;

use super::{App, Running, StartError, States};
use crate::{
    error::Result,
    input::BodyLimits,
    jobs::{JobDefinition, JobFn, Jobs, handler},
    openapi::Plan,
    serve::Shutdown,
};

/// What is left of the time of a shutdown for giving back jobs that are not done.
const GIVE_BACK: Duration = Duration::from_secs(2);

type PlanJob = fn(&mut Plan, BodyLimits, &Shutdown) -> Handler;
type Configure = Box<dyn FnOnce(WorkerBuilder) -> WorkerBuilder + Send>;

/// What an application was told of its jobs.
#[derive(Default)]
pub(super) struct AppJobs {
    plans: Vec<PlanJob>,
    schedules: Vec<Schedule>,
    configure: Vec<Configure>,
    /// Other processes do them.
    elsewhere: bool,
    /// A test says when they are done, and lets the time pass.
    by_hand: bool,
}

struct Schedule {
    name: String,
    times: String,
    job: Result<NewJob, serde_json::Error>,
}

/// The jobs of an application that has no mistakes.
pub(crate) struct ReadyJobs {
    worker: Worker,
    elsewhere: bool,
    /// What a test makes workers of.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) queue: Queue,
}

impl App {
    /// Keeps jobs in this queue: endpoints and jobs enqueue them by [`Jobs`].
    ///
    /// A queue that is opened in the [`lifespan`](Self::lifespan) is a state like others:
    /// `startup.state(Jobs::new(queue))`. In a test a second queue takes the place of the first.
    ///
    /// ```no_run
    /// use alula::{
    ///     jobs::{Queue, Sqlite},
    ///     prelude::*,
    /// };
    ///
    /// #[job]
    /// async fn greet(name: String) -> String {
    ///     format!("Hello, {name}!")
    /// }
    ///
    /// # async fn example() -> Result<()> {
    /// let queue = Queue::new(Sqlite::open("data/jobs.db").await?);
    /// App::new("Mail", "1.0.0").jobs(queue).job(greet).serve("127.0.0.1:8000").await
    /// # }
    /// ```
    pub fn jobs(self, queue: impl Into<Jobs>) -> Self {
        self.state(queue.into())
    }

    /// Adds a function with `#[job]`: where the application is served, it is done, too.
    ///
    /// What it asks for must be there, as for endpoints, and must not need a request.
    pub fn job<F: JobFn<A>, A>(mut self, _: F) -> Self {
        self.jobs.plans.push(handler::<F::Job>);
        self
    }

    /// Enqueues a job at all times that match a specification of cron, in UTC: five fields, or six
    /// with the seconds first.
    ///
    /// All processes of a schedule with this name enqueue the job once together; of the times that
    /// were missed, one is made up for. In a test it is left to the test.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// /// Removes what nobody has used for a month.
    /// #[job]
    /// async fn clean() {}
    ///
    /// let app = App::new("Cleaner", "1.0.0").job(clean).job_schedule("clean", "0 3 * * *", clean, ());
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as the function itself takes them")]
    pub fn job_schedule<F: JobFn<A>, A>(
        mut self,
        name: impl Into<String>,
        times: impl Into<String>,
        _: F,
        args: <F::Job as JobDefinition>::Args,
    ) -> Self {
        let job = NewJob::new(F::Job::step(), &args);
        self.jobs.schedules.push(Schedule { name: name.into(), times: times.into(), job });
        self
    }

    /// Changes how jobs are done: how many at once, in which limits, with which lease.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// let app = App::new("Documents", "1.0.0")
    ///     .job_worker(|worker| worker.concurrency("documents", 4).concurrency("mail", 1));
    /// ```
    pub fn job_worker(
        mut self,
        configure: impl FnOnce(WorkerBuilder) -> WorkerBuilder + Send + 'static,
    ) -> Self {
        self.jobs.configure.push(Box::new(configure));
        self
    }

    /// Only enqueues jobs where it is served; [`run_worker`](Self::run_worker) does them in other
    /// processes.
    pub fn jobs_elsewhere(mut self) -> Self {
        self.jobs.elsewhere = true;
        self
    }

    /// Does the jobs of the application without serving it, until SIGTERM or SIGINT.
    ///
    /// Any number of processes share the jobs of a store. At the end, what is being done has the
    /// time of [`Limits::drain`](crate::Limits#structfield.drain); the rest is given back, and
    /// others take it at once.
    ///
    /// # Errors
    ///
    /// If the application has a mistake or no job, or its lifespan fails.
    ///
    /// ```no_run
    /// # use alula::prelude::*;
    /// # fn app() -> App { App::new("Documents", "1.0.0") }
    /// # async fn example() -> Result<()> {
    /// match std::env::args().nth(1).as_deref() {
    ///     Some("worker") => app().run_worker().await,
    ///     _ => app().jobs_elsewhere().serve("127.0.0.1:8000").await,
    /// }
    /// # }
    /// ```
    pub async fn run_worker(self) -> Result<()> {
        self.run_worker_until(Shutdown::on_signals()?).await?;
        Ok(())
    }

    /// Does the jobs of the application without serving it, until `shutdown`.
    ///
    /// # Errors
    ///
    /// As [`run_worker`](Self::run_worker), with a type.
    pub async fn run_worker_until(self, shutdown: Shutdown) -> Result<(), StartError> {
        let within = self.limits.shutdown_max();
        let stop = shutdown.clone();
        let work = async move |running: Running| {
            let no_jobs = "the app has no job to do; add `.job(…)`".to_owned();
            let jobs = running.jobs.ok_or_else(|| StartError::Mistakes(vec![no_jobs]))?;
            let jobs = ReadyJobs { elsewhere: false, ..jobs };
            jobs.start(&stop, within)?;
            tracing::info!("doing jobs");
            stop.stopping().await;
            let began = Instant::now();
            tokio::select! {
                () = stop.wait_for_work() => {}
                () = tokio::time::sleep(within) => {}
                () = stop.ended() => {}
            }
            Ok(began.elapsed())
        };
        // Large, and started once.
        Box::pin(self.live(within, shutdown, work)).await
    }

    /// Does jobs when a test says so.
    pub(super) fn with_jobs_by_hand(mut self) -> Self {
        self.jobs.by_hand = true;
        self
    }
}

impl AppJobs {
    /// Has the time stand still in a test, unless it does already.
    pub(super) fn prepare(&self, states: &mut States) {
        let Some(jobs) = states.get::<Jobs>().filter(|_| self.by_hand) else { return };
        let clock = jobs.queue().time();
        if !clock.is_manual() {
            let queue = jobs.queue().clone().clock(Clock::manual(clock.now()));
            states.insert(Arc::new(Jobs::new(queue)));
        }
    }

    /// Plans each job, and the worker of them all; nothing if there are none, or with a mistake.
    ///
    /// Those of an application that is mounted at a prefix are nobody's, which is a mistake.
    pub(super) fn plan(
        self,
        prefix: &str,
        plan: &mut Plan,
        limits: BodyLimits,
        shutdown: &Shutdown,
    ) -> Option<ReadyJobs> {
        if self.plans.is_empty() && self.schedules.is_empty() {
            return None;
        }
        if !prefix.is_empty() {
            let mistake = "has jobs; only those of the outermost app are done";
            plan.mistakes.push(format!("the app mounted at `{prefix}` {mistake}"));
            return None;
        }
        let handlers: Vec<Handler> =
            self.plans.iter().map(|job| job(plan, limits, shutdown)).collect();
        let Some(jobs) = plan.states.get::<Jobs>() else {
            if !plan.may_lack_states {
                let mistake = "the app has jobs, but no queue for them; add `.jobs(queue)`";
                plan.mistakes.push(mistake.to_owned());
            }
            return None;
        };
        let queue = jobs.queue().clone();
        let elsewhere = self.elsewhere;
        match self.worker(&queue, handlers.clone()) {
            Ok(worker) => Some(ReadyJobs { worker, elsewhere, handlers, queue }),
            Err(mistakes) => {
                plan.mistakes.extend(mistakes.iter().map(|mistake| format!("jobs: {mistake}")));
                None
            }
        }
    }

    /// The worker that does them, or all that is wrong with it.
    fn worker(self, queue: &Queue, handlers: Vec<Handler>) -> Result<Worker, Vec<String>> {
        let mut worker = Worker::builder(queue).handlers(handlers);
        let mut mistakes = Vec::new();
        for Schedule { name, times, job } in self.schedules {
            match job {
                Ok(job) => worker = worker.schedule(name, times, job),
                Err(error) => {
                    mistakes.push(format!("the job of the schedule `{name}` is no JSON: {error}"));
                }
            }
        }
        let worker = self.configure.into_iter().fold(worker, |worker, change| change(worker));
        match worker.build() {
            Ok(worker) if mistakes.is_empty() => Ok(worker),
            Ok(_) => Err(mistakes),
            Err(error) => {
                mistakes.extend(error.mistakes().iter().cloned());
                Err(mistakes)
            }
        }
    }
}

impl ReadyJobs {
    /// Begins to do jobs, if they are done here, until the shutdown, which waits for them so long.
    pub(super) fn start(self, shutdown: &Shutdown, within: Duration) -> io::Result<()> {
        if self.elsewhere {
            return Ok(());
        }
        let worker = self.worker.start()?;
        let within = within.saturating_sub(GIVE_BACK.min(within / 4));
        shutdown.spawn(stop_in_time(worker, shutdown.clone(), within));
        Ok(())
    }
}

async fn stop_in_time(worker: RunningWorker, shutdown: Shutdown, within: Duration) {
    shutdown.stopping().await;
    tokio::select! {
        biased;
        Stopped { released, unsaved, .. } = worker.stop(within) => {
            tracing::info!(released, unsaved, "jobs are done no more");
        }
        // What is dropped here is tried again when its lease has run out.
        () = shutdown.ended() => tracing::warn!("jobs were left where they stood"),
    }
}

impl fmt::Debug for AppJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppJobs").field("jobs", &self.plans.len()).finish_non_exhaustive()
    }
}

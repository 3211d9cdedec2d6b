//! Workers in an application that is served, and by themselves.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use alula::{
    Limits, Server, Shutdown,
    jobs::{Job, JobState},
    prelude::*,
};
use tokio::{sync::Notify, time::timeout};

use super::queue;

/// Longer than anything here takes, also on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

#[job]
async fn double(number: u32) -> u32 {
    2 * number
}

fn succeeded(job: Option<Job>) -> u32 {
    let job = job.unwrap();
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
    job.result().unwrap().unwrap()
}

#[tokio::test]
async fn a_server_does_jobs_until_it_stops() {
    let (queue, shutdown) = (queue().await, Shutdown::new());
    let jobs = Jobs::new(queue.clone());
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let app = App::new("x", "1").jobs(queue.clone()).job(double);
    let serving = app.serve_on(server, shutdown.clone());
    let enqueue = async {
        let id = jobs.enqueue(double, 4).await.unwrap().id;
        assert_eq!(succeeded(queue.wait(id).await.unwrap()), 8);
        shutdown.trigger();
    };
    soon(Box::pin(async { tokio::join!(serving, enqueue).0.unwrap() })).await;
    let id = jobs.enqueue(double, 4).await.unwrap().id;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Queued);
}

#[tokio::test]
async fn a_service_in_another_server_does_them_too() {
    let queue = queue().await;
    let app = App::new("x", "1").jobs(queue.clone()).job(double);
    let (_service, ending) = app.into_service(Shutdown::new()).await.unwrap();
    let id = Jobs::new(queue.clone()).enqueue(double, 4).await.unwrap().id;
    assert_eq!(succeeded(soon(queue.wait(id)).await.unwrap()), 8);
    soon(ending.run()).await;
}

#[tokio::test]
async fn a_worker_does_what_another_process_only_enqueues() {
    let (queue, shutdown) = (queue().await, Shutdown::new());
    let closed = Arc::new(AtomicBool::new(false));
    let app = || App::new("x", "1").jobs(queue.clone()).job(double);
    let (_service, ending) = app().jobs_elsewhere().into_service(Shutdown::new()).await.unwrap();
    let id = Jobs::new(queue.clone()).enqueue(double, 4).await.unwrap().id;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Queued);

    let closing = closed.clone();
    let worker = app().jobs_elsewhere().lifespan(|startup| async move {
        Ok(startup.on_shutdown(async move { closing.store(true, SeqCst) }))
    });
    let working = worker.run_worker_until(shutdown.clone());
    let watch = async {
        assert_eq!(succeeded(queue.wait(id).await.unwrap()), 8);
        shutdown.trigger();
    };
    soon(Box::pin(async { tokio::join!(working, watch).0.unwrap() })).await;
    assert!(closed.load(SeqCst), "the lifespan has ended");
    soon(ending.run()).await;
}

struct Gate {
    begun: Notify,
    opened: Notify,
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate { begun: Notify::new(), opened: Notify::new() })
}

#[job]
async fn wait(is_endless: bool, gate: State<Gate>) {
    gate.begun.notify_one();
    gate.opened.notified().await;
    if is_endless {
        pending::<()>().await;
    }
}

#[tokio::test]
async fn a_job_that_is_being_done_is_finished_before_the_end() {
    let (queue, shutdown, gate) = (queue().await, Shutdown::new(), gate());
    let app = App::new("x", "1").shared_state(gate.clone()).jobs(queue.clone()).job(wait);
    let working = app.run_worker_until(shutdown.clone());
    let id = Jobs::new(queue.clone()).enqueue(wait, false).await.unwrap().id;
    let stop = async {
        gate.begun.notified().await;
        shutdown.trigger();
        gate.opened.notify_one();
    };
    soon(Box::pin(async { tokio::join!(working, stop).0.unwrap() })).await;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Succeeded);
}

#[tokio::test]
async fn a_job_that_is_not_done_in_time_is_given_back() {
    let (queue, shutdown, gate) = (queue().await, Shutdown::new(), gate());
    let limits = Limits::default().drain(Duration::from_millis(400));
    let app = App::new("x", "1").limits(limits).shared_state(gate.clone());
    let working = app.jobs(queue.clone()).job(wait).run_worker_until(shutdown.clone());
    let id = Jobs::new(queue.clone()).enqueue(wait, true).await.unwrap().id;
    let stop = async {
        gate.begun.notified().await;
        shutdown.trigger();
    };
    soon(Box::pin(async { tokio::join!(working, stop).0.unwrap() })).await;
    let job = queue.get(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Queued, 0), "it counts as not tried");
}

#[tokio::test]
async fn a_job_that_is_cut_off_has_its_exits_run() {
    #[dependency]
    async fn watched(scope: Scope, gate: State<Gate>) {
        let gate = gate.into_inner();
        scope.on_exit(|_| async move { gate.opened.notify_one() });
    }
    #[job]
    async fn endless(_: (), _watched: Depends<watched>, gate: State<Gate>) {
        gate.begun.notify_one();
        pending::<()>().await;
    }
    let (queue, shutdown, gate) = (queue().await, Shutdown::new(), gate());
    let app = App::new("x", "1").shared_state(gate.clone()).jobs(queue.clone()).job(endless);
    let working = app.run_worker_until(shutdown.clone());
    let id = Jobs::new(queue.clone()).enqueue(endless, ()).await.unwrap().id;
    let stop = async {
        gate.begun.notified().await;
        queue.cancel(id).await.unwrap();
        gate.opened.notified().await;
        shutdown.trigger();
    };
    soon(Box::pin(async { tokio::join!(working, stop).0.unwrap() })).await;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn a_schedule_enqueues_what_is_due() {
    let (queue, shutdown, gate) = (queue().await, Shutdown::new(), gate());
    let app = App::new("x", "1").shared_state(gate.clone()).jobs(queue.clone()).job(wait);
    let app = app.job_schedule("wait", "* * * * * *", wait, false);
    let working = app
        .job_worker(|worker| worker.poll(Duration::from_millis(20)).concurrency("default", 1))
        .run_worker_until(shutdown.clone());
    let stop = async {
        gate.begun.notified().await;
        shutdown.trigger();
        gate.opened.notify_one();
    };
    soon(Box::pin(async { tokio::join!(working, stop).0.unwrap() })).await;
}

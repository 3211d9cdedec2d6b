//! Workers over Postgres, each with connections of its own as in processes of their own.

use alula_jobs::{Backoff, Failure, Handler, JobContext, JobState, NewJob, Postgres, Queue};
use tokio::sync::mpsc;

use super::{Duration, LEASE, deaf, ended, endless, enqueue, soon, start};
use crate::store::postgres;

async fn open(server: &postgres::Postgres) -> Queue {
    let queue = Queue::new(Postgres::open(&server.url(), 4).await.unwrap());
    queue.watch_interval(Duration::from_millis(5))
}

/// They look once an hour: what they do, they have heard of.
#[tokio::test]
async fn workers_hear_of_what_other_processes_enqueue() {
    let Some(server) = postgres::Postgres::start() else { return };
    let (ours, theirs) = (open(&server).await, open(&server).await);
    let one = Handler::new("one.v1", async |n: u32, job: JobContext| match job.attempt() {
        1 => Err(Failure::new("not yet")),
        _ => Ok(n + 1),
    });
    let one = one.backoff(Backoff::new(Duration::from_millis(5), Duration::from_millis(5)));
    let two = Handler::new("two.v1", async |n: u32, _: JobContext| Ok::<_, Failure>(n * 2));
    let (first, second) = (start(deaf(&theirs).handler(one.clone())), open(&server).await);
    let second = start(deaf(&second).handler(two.clone()));
    for n in 0..20 {
        let job = NewJob::new(one.step(), &n).unwrap().then(two.step());
        let id = ours.enqueue(job).await.unwrap().id;
        let job = ended(&ours, id).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.error);
        assert_eq!(job.result::<u32>().unwrap(), Some((n + 1) * 2));
    }
    first.stop(Duration::ZERO).await;
    second.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn leases_are_renewed_and_lost() {
    let Some(server) = postgres::Postgres::start() else { return };
    let (ours, theirs) = (open(&server).await, open(&server).await);
    let (handler, mut begun, mut dropped) = endless("endless.v1");
    let worker = start(deaf(&theirs).lease(LEASE).handler(handler.clone()));
    let id = enqueue(&ours, &handler, ()).await;
    assert_eq!(soon(begun.recv()).await, Some(1));
    let first = ours.get(id).await.unwrap().unwrap().lease_until.unwrap();
    let renewed = async {
        while ours.get(id).await.unwrap().unwrap().lease_until.unwrap() < first + LEASE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(renewed).await;
    assert_eq!(ours.cancel(id).await.unwrap(), Some(JobState::Running));
    assert_eq!(soon(dropped.recv()).await, None);
    // Its slot is free again.
    let (told, mut heard) = mpsc::channel(1);
    let tell = Handler::new("tell.v1", move |(): (), _: JobContext| {
        let told = told.clone();
        async move { Ok::<_, Failure>(told.send(()).await?) }
    });
    let next = start(deaf(&theirs).handler(tell.clone()));
    enqueue(&ours, &tell, ()).await;
    soon(heard.recv()).await;
    worker.stop(Duration::ZERO).await;
    next.stop(Duration::ZERO).await;
}

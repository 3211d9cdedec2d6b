//! What happened around an endpoint, in order, and background tasks.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use alula::prelude::*;
use tokio::{
    sync::Notify,
    time::{Duration, timeout},
};

/// What happened, in order.
#[derive(Default)]
pub(crate) struct Events {
    noted: Mutex<Vec<String>>,
    changed: Notify,
}

/// How long to wait for what should happen.
const PATIENCE: Duration = Duration::from_secs(2);

impl Events {
    /// Adds an event.
    pub(crate) fn note(&self, event: impl Into<String>) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push(event.into());
        self.changed.notify_waiters();
    }

    /// All events, as soon as there are so many.
    async fn take(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let changed = self.changed.notified();
                if self.noted.lock().unwrap_or_else(PoisonError::into_inner).len() >= count {
                    break;
                }
                changed.await;
            }
        };
        let _ = timeout(PATIENCE, enough).await;
        mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits until so much has happened, and takes it.
#[get("/events/{count}")]
async fn take(Path(count): Path<i64>, events: State<Events>) -> Result<Json<Vec<String>>> {
    Ok(Json(events.take(count.try_into()?).await))
}

fn add(tasks: &BackgroundTasks, events: &State<Events>, name: &'static str) {
    let events = events.clone();
    tasks.add(async move { events.note(name) });
}

#[post("/tasks")]
async fn two(tasks: BackgroundTasks, events: State<Events>) -> Json<&'static str> {
    add(&tasks, &events, "task 1");
    add(&tasks, &events, "task 2");
    events.note("handler");
    Json("later")
}

#[post("/tasks/error")]
async fn with_error(tasks: BackgroundTasks, events: State<Events>) -> Result<Json<&'static str>> {
    add(&tasks, &events, "task 1");
    events.note("handler");
    Err(HttpError::bad_request("no"))
}

#[post("/tasks/failing")]
#[expect(clippy::panic, reason = "a task that fails")]
async fn failing(tasks: BackgroundTasks, events: State<Events>) -> Json<&'static str> {
    add(&tasks, &events, "task 1");
    tasks.add(async { panic!("a task that fails") });
    add(&tasks, &events, "task 3");
    Json("later")
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Events").routes(routes![take, two, with_error, failing])
}

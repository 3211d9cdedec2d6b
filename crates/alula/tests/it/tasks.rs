//! Work after the answer that brings more of it.

use std::sync::{Arc, Mutex};

use alula::{Route, prelude::*};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

async fn happened(route: Route) -> Vec<&'static str> {
    let log = Log::default();
    let app = App::new("Tasks", "1.0.0").state(log.clone()).route(route);
    app.client().await.get("/").await;
    std::mem::take(&mut *log.0.lock().unwrap())
}

/// As in FastAPI, whose list of tasks is still open while it runs.
#[tokio::test]
async fn a_task_may_add_tasks() {
    async fn handler(log: State<Log>, tasks: BackgroundTasks) -> Json<u8> {
        let (more, later) = (tasks.clone(), log.clone());
        tasks.add(async move {
            more.clone().add(async move {
                later.note("third");
                more.add(async move { later.note("fourth") });
            });
        });
        tasks.add(async move { log.note("second") });
        Json(1)
    }
    assert_eq!(happened(get("/", handler)).await, ["second", "third", "fourth"]);
}

#[tokio::test]
async fn an_exit_may_add_exits() {
    async fn handler(log: State<Log>, scope: Scope) -> Json<u8> {
        let first = log.clone();
        scope.on_exit(|_| async move { first.note("registered first") });
        let inner = scope.clone();
        scope.on_exit(|_| async move {
            log.note("registered last");
            inner.on_exit(|_| async move { log.note("of an exit") });
        });
        let inner = scope.clone();
        scope.on_return(|_| async move { inner.on_return(|_| async {}) });
        Json(1)
    }
    let expected = ["registered last", "of an exit", "registered first"];
    assert_eq!(happened(get("/", handler)).await, expected);
}

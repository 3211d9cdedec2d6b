//! Endpoints that take too long. The clock is stopped, so an hour takes no time.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{Outcome, prelude::*};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

async fn slow() -> Json<u8> {
    sleep(Duration::from_secs(5)).await;
    Json(1)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_is_a_504() {
    let app = App::new("Slow", "1.0.0");
    let client = app.route(get("/", slow).timeout(3 * SECOND / 2)).client().await;
    let start = Instant::now();
    let response = client.get("/").header("x-request-id", "abc").await;
    assert_eq!(start.elapsed(), Duration::from_millis(1500));
    assert_eq!(response.status(), 504);
    assert_eq!(response.text(), r#"{"detail":"The server did not answer within 1.5 s"}"#);
    assert_eq!(response.header("x-request-id"), "abc");
}

#[tokio::test(start_paused = true)]
async fn the_innermost_timeout_counts() {
    let routes = || {
        let own = get("/own", slow).timeout(10 * SECOND);
        Router::new().route(own).route(get("/none", slow).timeout(None)).route(get("/router", slow))
    };
    let router = Router::new().prefix("/r").timeout(2 * SECOND).include(routes());
    let app = App::new("Slow", "1.0.0").timeout(SECOND).include(routes()).include(router);
    let client = app.client().await;
    for (path, status, seconds) in [
        ("/own", 200, 5),
        ("/none", 200, 5),
        ("/router", 504, 1),
        ("/r/own", 200, 5),
        ("/r/none", 200, 5),
        ("/r/router", 504, 2),
    ] {
        let start = Instant::now();
        assert_eq!(client.get(path).await.status(), status, "{path}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_is_dropped_then_exits_see_the_504_and_no_task_runs() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);
    impl Log {
        fn note(&self, what: impl Into<String>) {
            self.0.lock().unwrap().push(what.into());
        }
    }
    struct NoteDrop(Log);
    impl Drop for NoteDrop {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    #[dependency]
    async fn transaction(log: State<Log>, scope: Scope) {
        let log = log.into_inner();
        scope.on_exit(|outcome: Outcome| async move { log.note(format!("{outcome:?}")) });
    }
    #[get("/", timeout_seconds = 1)]
    async fn handler(log: State<Log>, tasks: BackgroundTasks, _open: Depends<transaction>) {
        let background = log.clone();
        tasks.add(async move { background.note("task") });
        let _note = NoteDrop(Log::clone(&log));
        pending::<()>().await;
    }
    let log = Log::default();
    let client =
        App::new("Slow", "1.0.0").state(log.clone()).routes(routes![handler]).client().await;
    assert_eq!(client.get("/").await.status(), 504);
    assert_eq!(*log.0.lock().unwrap(), ["dropped", "Error(504)"]);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_dependencies_and_bodies_counts() {
    #[dependency]
    async fn database() {
        pending::<()>().await;
    }
    async fn waits(_database: Depends<database>) {}
    async fn reads(_body: Json<u8>) {}
    let app = App::new("Slow", "1.0.0").timeout(SECOND);
    let client = app.route(get("/", waits)).route(post("/", reads)).client().await;
    assert_eq!(client.get("/").await.status(), 504);
    let silent = stream::pending::<Result<Bytes, std::io::Error>>();
    let body = alula::Body::from_stream(silent);
    assert_eq!(client.post("/").body("application/json", body).await.status(), 504);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_is_not_cut() {
    async fn ticks() -> Sse<impl Stream<Item = u8>> {
        Sse::new(stream::iter(0..3).then(|tick| async move {
            sleep(10 * SECOND).await;
            tick
        }))
    }
    let app = App::new("Slow", "1.0.0").route(get("/", ticks).timeout(SECOND));
    let response = app.client().await.get("/").await;
    assert_eq!(response.events().len(), 3);
}

#[test]
fn a_timeout_of_zero_stops_the_start() {
    let app = App::new("Slow", "1.0.0").route(get("/", slow).timeout(Duration::ZERO));
    let error = app.openapi().unwrap_err().to_string();
    assert!(error.contains("GET /: a timeout of zero"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beyond_all_time_is_none() {
    let app = App::new("Slow", "1.0.0").route(get("/", slow).timeout(Duration::MAX));
    assert_eq!(app.client().await.get("/").await.status(), 200);
}

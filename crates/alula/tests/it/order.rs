//! The order of everything around an endpoint. The figures are FastAPI's, from
//! `fixtures/fastapi/order.txt`; where Alula differs on purpose, the test says why.

use std::sync::{Arc, Mutex};

use alula::{Event, Outcome, Startup, http::StatusCode, prelude::*};
use futures_util::{StreamExt as _, stream};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" > ")
    }
}

#[dependency]
async fn leaf(log: State<Log>) -> Arc<()> {
    log.note("leaf");
    Arc::new(())
}

#[dependency]
async fn dep_a(leaf: Depends<leaf>, log: State<Log>, scope: Scope) -> Arc<()> {
    log.note("a enter");
    let log = log.into_inner();
    scope.on_exit(|outcome| async move {
        if outcome != Outcome::Ok {
            log.note(format!("a saw {outcome:?}"));
        }
        log.note("a exit");
    });
    Arc::clone(&leaf)
}

/// Whether the leaf is the same one everywhere.
#[dependency]
async fn dep_b(leaf: Depends<leaf>, a: Depends<dep_a>, log: State<Log>, scope: Scope) -> bool {
    log.note("b enter");
    let log = log.into_inner();
    scope.on_exit(|_| async move { log.note("b exit") });
    Arc::ptr_eq(&leaf, &a)
}

#[dependency]
async fn dep_f(log: State<Log>, scope: Scope) {
    log.note("f enter");
    let log = log.into_inner();
    scope.on_return(|_| async move { log.note("f exit") });
}

fn add_task(tasks: &BackgroundTasks, log: &State<Log>, name: &'static str) {
    let log = log.clone();
    tasks.add(async move { log.note(name) });
}

#[get("/plain")]
async fn plain(
    log: State<Log>,
    tasks: BackgroundTasks,
    b: Depends<dep_b>,
    _f: Depends<dep_f>,
) -> Json<u8> {
    add_task(&tasks, &log, "bg 1");
    add_task(&tasks, &log, "bg 2");
    log.note(format!("handler same={}", *b));
    Json(1)
}

#[get("/stream")]
async fn streamed(
    log: State<Log>,
    tasks: BackgroundTasks,
    _b: Depends<dep_b>,
    _f: Depends<dep_f>,
) -> Sse<impl Stream<Item = u8>> {
    add_task(&tasks, &log, "bg 1");
    Sse::new(stream::iter(0..2).inspect(move |chunk| log.note(format!("chunk {chunk}"))))
}

#[get("/error")]
async fn failing(
    log: State<Log>,
    tasks: BackgroundTasks,
    _b: Depends<dep_b>,
    _f: Depends<dep_f>,
) -> Result<()> {
    add_task(&tasks, &log, "bg 1");
    Err(HttpError::bad_request("x"))
}

#[get("/foreign-error")]
async fn foreign_error(_b: Depends<dep_b>) -> Result<Json<u8>> {
    Ok(Json("x".parse()?))
}

#[get("/panic")]
async fn panicking(log: State<Log>, tasks: BackgroundTasks, _b: Depends<dep_b>) {
    add_task(&tasks, &log, "bg 1");
    panic!("at the disco");
}

#[get("/stream-error")]
async fn stream_error(_b: Depends<dep_b>) -> Sse<impl Stream<Item = Event<u8>>> {
    let items = [Ok(Event::new(1)), Err(HttpError::bad_request("x")), Ok(Event::new(2))];
    Sse::fallible(stream::iter(items))
}

#[get("/task-panic")]
async fn task_panic(log: State<Log>, tasks: BackgroundTasks, _b: Depends<dep_b>) -> Json<u8> {
    tasks.add(async { panic!("in a task") });
    add_task(&tasks, &log, "bg 2");
    Json(1)
}

#[get("/endless")]
async fn endless(
    log: State<Log>,
    tasks: BackgroundTasks,
    _b: Depends<dep_b>,
) -> Sse<impl Stream<Item = u8>> {
    add_task(&tasks, &log, "bg");
    Sse::new(stream::iter([1]).chain(stream::pending()))
}

fn app(log: &Log) -> App {
    App::new("Order", "1.0.0").state(log.clone()).routes(routes![
        plain,
        streamed,
        failing,
        foreign_error,
        panicking,
        stream_error,
        task_panic,
        endless
    ])
}

/// The status, the body and what happened.
async fn visit(path: &str) -> (StatusCode, String, String) {
    let log = Log::default();
    let response = app(&log).client().await.get(path).await;
    (response.status(), response.text().to_owned(), log.take())
}

#[tokio::test]
async fn a_plain_answer_is_followed_by_tasks_then_exits() {
    let (status, body, log) = visit("/plain").await;
    assert_eq!((status.as_u16(), &*body), (200, "1"));
    assert_eq!(
        log,
        "leaf > a enter > b enter > f enter > handler same=true > f exit > bg 1 > bg 2 > b exit > a exit"
    );
}

#[tokio::test]
async fn a_stream_is_complete_before_tasks_and_exits() {
    let (_, body, log) = visit("/stream").await;
    assert_eq!(body, "data: 0\n\ndata: 1\n\n");
    assert_eq!(
        log,
        "leaf > a enter > b enter > f enter > f exit > chunk 0 > chunk 1 > bg 1 > b exit > a exit"
    );
}

#[tokio::test]
async fn an_error_is_seen_by_exits_and_runs_no_tasks() {
    let (status, body, log) = visit("/error").await;
    assert_eq!((status.as_u16(), &*body), (400, r#"{"detail":"x"}"#));
    assert_eq!(
        log,
        "leaf > a enter > b enter > f enter > f exit > b exit > a saw Error(400) > a exit"
    );
}

#[tokio::test]
async fn a_foreign_error_is_a_500_that_tells_nothing() {
    let (status, body, log) = visit("/foreign-error").await;
    assert_eq!((status.as_u16(), &*body), (500, r#"{"detail":"Internal Server Error"}"#));
    assert_eq!(log, "leaf > a enter > b enter > b exit > a saw Error(500) > a exit");
}

#[tokio::test]
async fn a_panic_is_a_500_with_the_request_id() {
    let log = Log::default();
    let client = app(&log).client().await;
    let response = client.get("/panic").header("x-request-id", "abc").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.text(), r#"{"detail":"Internal Server Error"}"#);
    assert_eq!(response.header("x-request-id"), "abc");
    assert_eq!(log.take(), "leaf > a enter > b enter > b exit > a saw Panicked > a exit");
    assert_eq!(client.get("/plain").await.status(), 200, "the app lives");
}

#[tokio::test]
async fn a_stream_that_fails_says_so_and_ends() {
    // FastAPI breaks the connection off; Alula sends an event that says why.
    let (_, body, _) = visit("/stream-error").await;
    assert_eq!(body, "data: 1\n\nevent: error\ndata: {\"detail\":\"x\"}\n\n");
}

#[tokio::test]
async fn a_task_that_panics_stops_the_ones_behind_it() {
    let (status, _, log) = visit("/task-panic").await;
    assert_eq!(status, 200);
    assert_eq!(log, "leaf > a enter > b enter > b exit > a exit");
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_seen_by_exits_and_tasks_still_run() {
    let log = Log::default();
    let client = app(&log).client().await;
    let mut stream = client.get("/endless").stream().await;
    assert_eq!(stream.next().await.unwrap(), "data: 1\n\n");
    drop(stream);
    client.shutdown().await;
    assert_eq!(log.take(), "leaf > a enter > b enter > bg > b exit > a saw Disconnected > a exit");
}

#[tokio::test]
async fn a_head_request_is_complete_without_a_body() {
    for path in ["/plain", "/stream", "/endless"] {
        let log = Log::default();
        let client = app(&log).client().await;
        let response = client.head(path).await;
        assert_eq!((response.status().as_u16(), response.text()), (200, ""), "{path}");
        let log = log.take();
        assert!(log.ends_with("b exit > a exit") && log.contains("bg"), "{path}: {log}");
    }
}

#[tokio::test]
async fn a_stream_may_add_tasks_while_it_runs() {
    async fn handler(log: State<Log>, tasks: BackgroundTasks) -> Sse<impl Stream<Item = u8>> {
        Sse::new(stream::iter(0..2).inspect(move |chunk| {
            let (log, chunk) = (log.clone(), *chunk);
            tasks.add(async move { log.note(format!("stored {chunk}")) });
        }))
    }
    let log = Log::default();
    let app = App::new("Order", "1.0.0").state(log.clone()).route(get("/", handler));
    app.client().await.get("/").await;
    assert_eq!(log.take(), "stored 0 > stored 1");
}

/// The clock is stopped, so a task of an hour takes no time; one that waits for ever does.
#[tokio::test(start_paused = true)]
async fn a_response_waits_for_its_tasks_but_a_stream_does_not() {
    async fn slow(log: State<Log>, tasks: BackgroundTasks) -> Json<u8> {
        tasks.add(async move {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            log.note("done");
        });
        Json(1)
    }
    async fn endless(tasks: BackgroundTasks) -> Json<u8> {
        tasks.add(std::future::pending());
        Json(1)
    }
    let log = Log::default();
    let app = App::new("Order", "1.0.0").state(log.clone());
    let client = app.route(get("/slow", slow)).route(get("/endless", endless)).client().await;
    client.get("/slow").await;
    assert_eq!(log.take(), "done");
    let mut stream = client.get("/endless").stream().await;
    assert_eq!(stream.next().await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_the_return_is_not_stopped_by_a_client_that_leaves() {
    #[dependency]
    async fn committing(log: State<Log>, gate: State<tokio::sync::Semaphore>, scope: Scope) {
        let (log, gate) = (log.into_inner(), gate.into_inner());
        scope.on_return(|outcome| async move {
            log.note("commit begins");
            gate.acquire().await.unwrap().forget();
            log.note(format!("committed {outcome:?}"));
        });
    }
    async fn handler(_committing: Depends<committing>) -> Json<u8> {
        Json(1)
    }
    let log = Log::default();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let app = App::new("Order", "1.0.0").state(log.clone()).shared_state(gate.clone());
    let client = app.route(get("/", handler)).client().await;
    let request = client.get("/").stream();
    let left = tokio::time::timeout(std::time::Duration::from_secs(1), request).await;
    assert!(left.is_err(), "the client leaves while the commit goes on");
    gate.add_permits(1);
    client.shutdown().await;
    assert_eq!(log.take(), "commit begins > committed Ok");
}

#[dependency]
async fn refused(log: State<Log>) -> Result<()> {
    log.note("refused");
    Err(HttpError::unauthorized("Bearer"))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Skip {
    skip: u32,
}

#[tokio::test]
async fn a_401_of_a_dependency_beats_a_422() {
    async fn handler(log: State<Log>, Query(page): Query<Skip>, _leaf: Depends<leaf>) -> Json<u32> {
        log.note("handler");
        Json(page.skip)
    }
    let log = Log::default();
    let app = App::new("Order", "1.0.0").state(log.clone());
    let client = app.route(get("/", handler).depends::<refused>()).client().await;
    for target in ["/?skip=x", "/?skip=1"] {
        assert_eq!(client.get(target).await.status(), 401, "{target}");
        assert_eq!(log.take(), "refused");
    }
}

#[tokio::test]
async fn guards_run_from_the_app_inwards_and_dependencies_once() {
    #[dependency]
    async fn outer(log: State<Log>, _leaf: Depends<leaf>) {
        log.note("outer");
    }
    #[dependency]
    async fn middle(log: State<Log>, _leaf: Depends<leaf>) {
        log.note("middle");
    }
    #[dependency]
    async fn inner(log: State<Log>) {
        log.note("inner");
    }
    async fn handler(_inner: Depends<inner>, _outer: Depends<outer>) {}

    let log = Log::default();
    let router = Router::new().depends::<middle>().route(get("/", handler).depends::<inner>());
    let app = App::new("Order", "1.0.0").state(log.clone()).depends::<outer>().include(router);
    assert_eq!(app.client().await.get("/").await.status(), 204);
    assert_eq!(log.take(), "leaf > outer > middle > inner");
}

#[tokio::test]
async fn an_override_replaces_the_value_and_what_it_needs() {
    let log = Log::default();
    let client = app(&log).override_dependency::<dep_b>(|| false).client().await;
    client.get("/plain").await;
    assert_eq!(log.take(), "f enter > handler same=false > f exit > bg 1 > bg 2");

    #[dependency]
    async fn by_header(Header(flag): Header<Flag>) -> bool {
        flag.x_flag
    }
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Flag {
        x_flag: bool,
    }
    let client = app(&log).override_dependency_with::<dep_b, by_header>().client().await;
    client.get("/plain").header("x-flag", "true").await;
    assert_eq!(log.take(), "f enter > handler same=true > f exit > bg 1 > bg 2");
    assert_eq!(client.get("/plain").await.status(), 422);

    let document = |app: App| app.openapi().unwrap();
    let overridden = app(&log).override_dependency_with::<dep_b, by_header>();
    assert_eq!(document(overridden), document(app(&log)), "the document does not change");
}

#[tokio::test]
async fn the_lifespan_runs_around_everything() {
    let log = Log::default();
    let in_lifespan = log.clone();
    let app =
        App::new("Order", "1.0.0").routes(routes![plain]).lifespan(|startup: Startup| async move {
            in_lifespan.note("start");
            let (first, second) = (in_lifespan.clone(), in_lifespan.clone());
            Ok(startup
                .state(in_lifespan)
                .on_shutdown(async move { first.note("stop 1") })
                .on_shutdown(async move { second.note("stop 2") }))
        });
    let client = app.client().await;
    assert_eq!(log.take(), "start");
    client.get("/plain").await;
    assert!(log.take().ends_with("a exit"));
    client.shutdown().await;
    assert_eq!(log.take(), "stop 2 > stop 1");
}

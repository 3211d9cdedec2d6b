//! Work after the answer: what brings more of it, and when an answer is complete.

use std::sync::{Arc, Mutex};

use alula::{Body, Limits, Outcome, Route, Server, Shutdown, http::Response, prelude::*};
use futures_util::{TryStreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

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

/// A connection takes the last byte of a known length, and asks for nothing more.
#[tokio::test]
async fn an_answer_of_known_length_is_complete_with_its_last_byte() {
    fn note_end(log: &State<Log>, tasks: &BackgroundTasks, scope: &Scope) {
        let (task, exit) = (log.clone(), log.clone());
        tasks.add(async move { task.note("task") });
        scope.on_exit(|outcome| async move {
            exit.note(if outcome == Outcome::Ok { "complete" } else { "broken off" });
        });
    }
    fn pieces() -> impl Stream<Item = Result<Bytes>> {
        stream::iter(["a", "bc"].map(|piece| Ok(Bytes::from(piece))))
    }
    async fn known(
        log: State<Log>,
        tasks: BackgroundTasks,
        scope: Scope,
        Path(length): Path<u64>,
    ) -> ByteStream<impl Stream<Item = Result<Bytes>>> {
        note_end(&log, &tasks, &scope);
        ByteStream::new(pieces()).content_length(length)
    }
    async fn by_hand(log: State<Log>, tasks: BackgroundTasks, scope: Scope) -> Response<Body> {
        note_end(&log, &tasks, &scope);
        let body = Body::from_stream(pieces().map_err(|error| error.to_string()));
        Response::builder().header("content-length", 3).body(body).unwrap()
    }
    for (path, end, body) in [
        ("/known/3", "complete", Some("abc")),
        ("/by-hand", "complete", Some("abc")),
        ("/known/1", "complete", Some("a")),
        ("/known/2", "broken off", None),
        ("/known/4", "broken off", None),
    ] {
        let log = Log::default();
        let app = App::new("Tasks", "1.0.0").state(log.clone());
        let app = app.routes([get("/known/{length}", known), get("/by-hand", by_hand)]);
        let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
        let (address, shutdown) = (server.local_addr(), Shutdown::new());
        let serving = app.serve_on(server, shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { serving.await.unwrap() });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        shutdown.trigger();
        tasks.join_next().await.unwrap().unwrap();
        let happened = std::mem::take(&mut *log.0.lock().unwrap());
        assert_eq!(happened.last(), Some(&end), "{path}: {answer}");
        assert_eq!(happened.contains(&"task"), end == "complete", "{path}: {answer}");
        if let Some(body) = body {
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{path}: {answer}");
        }
    }
}

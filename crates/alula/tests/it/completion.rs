//! Endpoints that go on when their client leaves.

use std::{
    future::{Future, pending},
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{
    Body, Limits, Outcome, Problem, Server, Shutdown,
    http::{Request, Response},
    middleware::{ConcurrencyLimit, Next, from_fn},
    prelude::*,
    testing::TestClient,
};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
};

/// Longer than anything here takes, also on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// What happened, and what the test lets happen.
#[derive(Clone)]
struct Stage {
    log: Arc<Mutex<Vec<String>>>,
    started: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Stage {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { log: Arc::default(), started: closed(), go: closed() }
    }

    fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" > ")
    }

    async fn started(&self) {
        soon(self.started.acquire()).await.unwrap().forget();
    }
}

#[dependency]
async fn transaction(stage: State<Stage>, scope: Scope) {
    scope.on_exit(|outcome: Outcome| async move { stage.note(format!("exit {outcome:?}")) });
}

#[post("/pay", run_to_completion)]
async fn pay(
    stage: State<Stage>,
    tasks: BackgroundTasks,
    _open: Depends<transaction>,
) -> Json<&'static str> {
    let background = stage.clone();
    tasks.add(async move { background.note("task") });
    stage.started.add_permits(1);
    stage.go.acquire().await.unwrap().forget();
    stage.note("paid");
    Json("paid")
}

fn app(stage: &Stage) -> App {
    App::new("Shop", "1.0.0").state(stage.clone()).routes(routes![pay])
}

/// Serves the app on a port of its own for a client that sends one request and does as it likes.
async fn serve<F: Future>(app: App, client: impl FnOnce(TcpStream, Shutdown) -> F) -> F::Output {
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let address = server.local_addr();
    let shutdown = Shutdown::new();
    let serving = Box::pin(app.serve_on(server, shutdown.clone()));
    let client = Box::pin(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"POST /pay HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let result = client(stream, shutdown.clone()).await;
        shutdown.trigger();
        result
    });
    let (served, result) = soon(async { tokio::join!(serving, client) }).await;
    served.unwrap();
    result
}

#[tokio::test]
async fn a_client_that_leaves_changes_nothing_and_the_shutdown_waits() {
    let stage = Stage::new();
    let seen = stage.clone();
    serve(app(&stage), |stream, shutdown| async move {
        seen.started().await;
        drop(stream);
        shutdown.trigger();
        // The connection is gone before the endpoint may go on.
        tokio::task::yield_now().await;
        seen.go.add_permits(1);
    })
    .await;
    assert_eq!(stage.take(), "paid > task > exit Ok");
}

#[tokio::test]
async fn a_client_that_stays_is_answered() {
    let stage = Stage::new();
    let seen = stage.clone();
    let answer = serve(app(&stage), |mut stream, shutdown| async move {
        seen.started().await;
        shutdown.trigger();
        seen.go.add_permits(1);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\"paid\""), "{answer}");
    assert_eq!(stage.take(), "paid > task > exit Ok");
}

#[tokio::test]
async fn without_it_the_endpoint_is_cancelled() {
    let stage = Stage::new();
    let app = App::new("Shop", "1.0.0").state(stage.clone()).route(post("/pay", pay));
    let client = app.client().await;
    come_and_go(&client, &stage).await;
    client.shutdown().await;
    assert_eq!(stage.take(), "exit Disconnected");
}

/// Sends a request, and leaves once its endpoint runs.
async fn come_and_go(client: &TestClient, stage: &Stage) {
    tokio::select! {
        _ = client.post("/pay").stream() => panic!("answered"),
        () = stage.started() => {}
    }
}

/// An application with room for one request at a time.
async fn a_limit_counts_it_until_it_is_over(limited: impl FnOnce(App, ConcurrencyLimit) -> App) {
    let stage = Stage::new();
    let app = App::new("Shop", "1.0.0").state(stage.clone());
    let client = limited(app, ConcurrencyLimit::new(1).queue(0)).client().await;
    come_and_go(&client, &stage).await;
    let second = soon(client.post("/pay").stream()).await;
    assert_eq!(second.status(), 503, "it goes on");
    stage.go.add_permits(2);
    let again = async {
        while client.post("/pay").stream().await.status() == 503 {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
    client.shutdown().await;
    assert_eq!(stage.take().matches("paid").count(), 2);
}

#[tokio::test]
async fn a_limit_of_its_route_counts_it_until_it_is_over() {
    let limited = |app: App, limit| app.route(post("/pay", pay).run_to_completion().layer(limit));
    a_limit_counts_it_until_it_is_over(limited).await;
}

#[tokio::test]
async fn a_limit_of_its_router_counts_it_until_it_is_over() {
    let limited = |app: App, limit| app.include(Router::new().routes(routes![pay]).layer(limit));
    a_limit_counts_it_until_it_is_over(limited).await;
}

#[tokio::test]
async fn a_limit_of_its_application_counts_it_until_it_is_over() {
    let limited = |app: App, limit| app.routes(routes![pay]).layer(limit);
    a_limit_counts_it_until_it_is_over(limited).await;
}

#[tokio::test]
async fn each_of_several_limits_counts_it_until_it_is_over() {
    let few = |app: App, limit| {
        let many = ConcurrencyLimit::new(9);
        app.routes(routes![pay]).layer(many.clone()).layer(limit).layer(many)
    };
    a_limit_counts_it_until_it_is_over(few).await;
}

#[dependency(max_concurrency = 1)]
async fn alone() {}

#[post("/pay", run_to_completion)]
async fn pay_alone(stage: State<Stage>, _alone: Depends<alone>) {
    stage.note("begun");
    stage.started.add_permits(1);
    stage.go.acquire().await.unwrap().forget();
    stage.note("paid");
}

#[tokio::test]
async fn a_dependency_that_is_alone_stays_so() {
    let stage = Stage::new();
    let app = App::new("Shop", "1.0.0").state(stage.clone()).routes(routes![pay_alone]);
    let client = app.client().await;
    come_and_go(&client, &stage).await;
    let next = async {
        // Time enough for the other to begin, if it may.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        stage.go.add_permits(2);
    };
    let (answer, ()) = soon(async { tokio::join!(client.post("/pay").stream(), next) }).await;
    assert_eq!(answer.status(), 204);
    client.shutdown().await;
    assert_eq!(stage.take(), "begun > paid > begun > paid");
}

#[tokio::test]
async fn what_stands_around_it_goes_on_too() {
    let stage = Stage::new();
    let noting = |name: &'static str| {
        let stage = stage.clone();
        from_fn(move |request: Request<Body>, next: Next| {
            let stage = stage.clone();
            async move {
                let response = next.run(request).await;
                stage.note(format!("{name} {}", response.status()));
                response
            }
        })
    };
    let route = post("/pay", pay).layer(noting("route")).run_to_completion();
    let router = Router::new().layer(noting("router")).route(route);
    let app = App::new("Shop", "1.0.0").state(stage.clone()).include(router);
    let client = app.layer(noting("app")).client().await;
    come_and_go(&client, &stage).await;
    stage.go.add_permits(1);
    client.shutdown().await;
    let log = stage.take();
    assert!(log.starts_with("paid > ") && log.contains("route 200 OK > router 200 OK"), "{log}");
    assert!(!log.contains("app"), "{log}");
}

#[tokio::test]
async fn a_panic_around_it_is_answered_as_ever() {
    async fn panics(_: Request<Body>, _: Next) -> Response<Body> {
        panic!("at the disco");
    }
    let route = post("/pay", pay).layer(from_fn(panics)).run_to_completion();
    let app = App::new("Shop", "1.0.0").state(Stage::new()).route(route);
    let client = app.error_format(Problem::new()).client().await;
    let response = client.post("/pay").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn errors_and_panics_are_answered_as_ever() {
    async fn panics() {
        panic!("at the disco");
    }
    async fn refuses() -> Result<()> {
        Err(HttpError::conflict("paid already"))
    }
    let app = App::new("Shop", "1.0.0").run_to_completion();
    let client = app.route(get("/panics", panics)).route(get("/refuses", refuses)).client().await;
    let panicked = client.get("/panics").header("x-request-id", "abc").await;
    assert_eq!((panicked.status().as_u16(), panicked.header("x-request-id")), (500, "abc"));
    let refused = client.get("/refuses").await;
    assert_eq!((refused.status().as_u16(), refused.text()), (409, r#"{"detail":"paid already"}"#));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_still_ends_it() {
    async fn stuck(_open: Depends<transaction>) {
        pending::<()>().await;
    }
    let stage = Stage::new();
    let router = Router::new().run_to_completion().timeout(Duration::from_secs(1));
    let app = App::new("Shop", "1.0.0").state(stage.clone());
    let client = app.include(router.route(get("/", stuck))).client().await;
    assert_eq!(client.get("/").await.status(), 504);
    assert_eq!(stage.take(), "exit Error(504)");
}

#[tokio::test]
async fn a_stream_ends_with_its_client() {
    async fn endless(_open: Depends<transaction>) -> Sse<impl Stream<Item = u8>> {
        use futures_util::StreamExt as _;
        Sse::new(stream::iter([1]).chain(stream::pending()))
    }
    let stage = Stage::new();
    let app = App::new("Shop", "1.0.0").state(stage.clone());
    let client = app.route(get("/", endless).run_to_completion()).client().await;
    let mut stream = client.get("/").stream().await;
    assert_eq!(stream.next().await.unwrap(), "data: 1\n\n");
    drop(stream);
    client.shutdown().await;
    assert_eq!(stage.take(), "exit Disconnected");
}

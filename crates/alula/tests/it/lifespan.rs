//! An application that starts and ends over a real socket.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{App, HttpError, Limits, Outcome, Scope, Server, Shutdown, Startup, get};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Notify, time::timeout};

/// Longer than anything here takes, also on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

async fn server(drain: Duration) -> Server {
    let limits = Limits::default().drain(drain).stream_grace(Duration::ZERO);
    Server::bind("127.0.0.1:0", limits).await.unwrap()
}

#[tokio::test]
async fn the_exits_of_a_request_that_the_deadline_cuts_are_waited_for() {
    let seen: Arc<Mutex<Option<Outcome>>> = Arc::default();
    let started = Arc::new(Notify::new());
    let (exit_saw, has_started) = (seen.clone(), started.clone());
    let handler = move |scope: Scope| {
        let (seen, started) = (exit_saw.clone(), has_started.clone());
        async move {
            scope.on_exit(|outcome| async move {
                // As a rollback would, the exit takes more than one step.
                tokio::task::yield_now().await;
                *seen.lock().unwrap() = Some(outcome);
            });
            started.notify_one();
            pending::<()>().await;
        }
    };
    let server = server(Duration::from_millis(200)).await;
    let address = server.local_addr();
    let shutdown = Shutdown::new();
    let app = App::new("Slow", "1.0.0").route(get("/", handler));
    let serving = app.serve_on(server, shutdown.clone());
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        started.notified().await;
        shutdown.trigger();
        stream
    };
    let (served, _stream) =
        timeout(PATIENCE, async { tokio::join!(serving, client) }).await.unwrap();
    served.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(Outcome::Disconnected));
}

#[tokio::test]
async fn a_lifespan_that_hangs_does_not_outlive_the_shutdown() {
    let shutdown = Shutdown::new();
    let app = App::new("Stuck", "1.0.0").lifespan(|_: Startup| pending());
    let serving = app.serve_on(server(PATIENCE).await, shutdown.clone());
    let stop = async { shutdown.trigger() };
    let (served, ()) = timeout(PATIENCE, async { tokio::join!(serving, stop) }).await.unwrap();
    served.unwrap();

    let shutdown = Shutdown::new();
    let trigger = shutdown.clone();
    let app = App::new("Stuck", "1.0.0").lifespan(move |startup: Startup| {
        trigger.trigger();
        std::future::ready(Ok(startup.on_shutdown(pending())))
    });
    let serving = app.serve_on(server(Duration::ZERO).await, shutdown);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
}

/// What happened, in its order.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<&'static str>>>);

impl Journal {
    fn write(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// A closing that takes more than one step.
    async fn close(self, line: &'static str) {
        tokio::task::yield_now().await;
        self.write(line);
    }

    /// An application that opens two things, and mounts one whose lifespan ends as `inner` does.
    fn app<F>(&self, inner: impl FnOnce() -> F + Send + 'static) -> App
    where
        F: Future<Output = alula::Result<()>> + Send + 'static,
    {
        let outer = self.clone();
        let journal = self.clone();
        let mounted = App::new("Inner", "1.0.0").lifespan(|startup: Startup| async move {
            let startup = startup.on_shutdown(journal.close("inner"));
            inner().await?;
            Ok(startup)
        });
        let app = App::new("Outer", "1.0.0").lifespan(|startup: Startup| async move {
            let startup = startup.on_shutdown(outer.clone().close("first"));
            Ok(startup.on_shutdown(outer.close("second")))
        });
        app.mount("/inner", mounted)
    }
}

#[tokio::test]
async fn a_start_that_a_shutdown_breaks_off_closes_what_it_has_opened() {
    let (journal, shutdown) = (Journal::default(), Shutdown::new());
    let trigger = shutdown.clone();
    let app = journal.app(move || async move {
        trigger.trigger();
        pending().await
    });
    let serving = app.serve_on(server(PATIENCE).await, shutdown);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert_eq!(journal.lines(), ["inner", "second", "first"]);
}

#[tokio::test]
async fn a_lifespan_that_fails_closes_what_was_opened_before() {
    let fails = || async { Err(HttpError::internal("no database")) };
    let journal = Journal::default();
    let serving = journal.app(fails).serve_on(server(PATIENCE).await, Shutdown::new());
    let error = timeout(PATIENCE, serving).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no database"), "{error}");
    assert_eq!(journal.lines(), ["inner", "second", "first"]);

    let journal = Journal::default();
    assert!(journal.app(fails).into_service(Shutdown::new()).await.is_err());
    assert_eq!(journal.lines(), ["inner", "second", "first"]);
}

#[tokio::test]
async fn what_cannot_be_closed_does_not_hold_up_a_start_that_is_broken_off() {
    let stuck = |result: fn() -> alula::Result<()>, shutdown: Shutdown| {
        App::new("Stuck", "1.0.0").lifespan(move |startup: Startup| async move {
            let startup = startup.on_shutdown(pending());
            shutdown.trigger();
            if result().is_ok() {
                pending::<()>().await;
            }
            result().map(|()| startup)
        })
    };
    for result in [(|| Ok(())) as fn() -> _, || Err(HttpError::internal("no database"))] {
        let shutdown = Shutdown::new();
        let app = stuck(result, shutdown.clone());
        let serving = app.serve_on(server(Duration::ZERO).await, shutdown);
        let served = timeout(PATIENCE, serving).await.unwrap();
        assert_eq!(served.is_ok(), result().is_ok());
    }
    // A second signal does not leave it the time of a long drain.
    let shutdown = Shutdown::new();
    let app = stuck(|| Ok(()), shutdown.clone());
    let serving = app.serve_on(server(Duration::from_secs(3600)).await, shutdown.clone());
    let stop = async {
        shutdown.stopping().await;
        shutdown.end_now();
    };
    let (served, ()) = timeout(PATIENCE, async { tokio::join!(serving, stop) }).await.unwrap();
    served.unwrap();
}

/// It ends as a server does, without one: what has begun is finished, up to the deadline.
#[tokio::test]
async fn an_application_runs_where_nobody_can_reach_it() {
    for (drain, expected) in [
        (PATIENCE, &["the task is done", "closed"][..]),
        (Duration::from_millis(100), &["closed"][..]),
    ] {
        let (journal, shutdown, cut) = (Journal::default(), Shutdown::new(), drain < PATIENCE);
        let (lines, task) = (journal.clone(), shutdown.clone());
        let limits = Limits::default().drain(drain).stream_grace(Duration::ZERO);
        let app = App::new("Mailer", "1.0.0").limits(limits).lifespan(move |startup: Startup| {
            let (stopping, written) = (task.stopping(), lines.clone());
            task.spawn(async move {
                stopping.await;
                if cut {
                    pending::<()>().await;
                }
                tokio::task::yield_now().await;
                written.write("the task is done");
            });
            task.trigger();
            std::future::ready(Ok(startup.on_shutdown(lines.close("closed"))))
        });
        timeout(PATIENCE, app.run(shutdown)).await.unwrap().unwrap();
        assert_eq!(journal.lines(), expected);
    }
}

//! An application that starts and ends over a real socket.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{App, Limits, Outcome, Scope, Server, Shutdown, Startup, get};
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

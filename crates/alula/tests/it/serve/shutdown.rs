//! The end of a server: in time, and without a cut where none is needed.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use alula::serve::{Limits, Shutdown};
use tokio::net::TcpStream;

use super::{Client, GET, Running, Signal, gate, ok, silent, soon};

/// Long enough that a test which runs into it fails, by the clock of [`super::PATIENCE`].
const LONG: Duration = Duration::from_secs(600);

fn patient() -> Limits {
    Limits::default().drain(LONG)
}

#[tokio::test]
async fn without_connections_it_is_immediate() {
    let mut server = Running::start(patient(), ok()).await;
    server.shutdown.trigger();
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (0, 0));
    assert!(TcpStream::connect(server.addr).await.is_err(), "still accepting");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let mut server = Running::start(patient(), ok()).await;
    let mut fresh = server.connect().await;
    let mut used = server.connect().await;
    used.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nhi").await;
    used.receive_until("\r\n\r\nok").await;
    // From here on the server waits for nothing but its own timers, and by the clock of tokio only:
    // a machine with much else to do makes no difference.
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    server.shutdown.trigger();
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (2, 0));
    let took = started.elapsed();
    assert!(took < Duration::from_millis(900), "waited {took:?} for clients that owe nothing");
    assert_eq!(fresh.receive_all().await, "");
    assert_eq!(used.receive_all().await, "");
}

#[tokio::test]
async fn a_client_that_is_about_to_ask_is_answered() {
    let mut server = Running::start(patient(), ok()).await;
    let mut fresh = server.connect().await;
    let mut used = server.connect().await;
    used.send(GET).await;
    used.receive_until("\r\n\r\nok").await;
    // By then the server has accepted both.
    server.shutdown.trigger();
    server.shutdown.stopping().await;
    for client in [&mut fresh, &mut used] {
        client.send(GET).await;
        let response = client.receive_all().await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    }
    assert_eq!(server.ended().await.connections_drained, 2);
}

#[tokio::test]
async fn connections_that_wait_to_be_accepted_are_not_lost() {
    // On the one thread of this test the server does not come to accept any of them.
    let mut server = Running::start(patient(), ok()).await;
    let connect = || {
        let client = std::net::TcpStream::connect(server.addr).unwrap();
        client.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(client).unwrap();
        Client { stream, received: Vec::new() }
    };
    let mut clients: Vec<_> = (0..20).map(|_| connect()).collect();
    server.shutdown.trigger();
    for client in &mut clients {
        client.send(GET).await;
        let response = client.receive_all().await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
    assert_eq!(server.ended().await.connections_drained, 20);
}

#[tokio::test]
async fn a_delay_goes_on_accepting_and_asks_to_leave() {
    let delay = Duration::from_millis(400);
    let mut server = Running::start(patient().drain_delay(delay), ok()).await;
    let mut idle = server.connect().await;
    let started = Instant::now();
    server.shutdown.trigger();
    assert!(server.shutdown.is_stopping());
    let mut late = server.connect().await;
    late.send(GET).await;
    let response = late.receive_all().await;
    assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    assert_eq!(idle.receive_all().await, "", "what is idle is closed after the delay");
    let summary = server.ended().await;
    assert!(started.elapsed() >= delay && summary.took >= delay, "{summary:?}");
    assert!(TcpStream::connect(server.addr).await.is_err(), "still accepting");
}

#[tokio::test]
async fn a_delay_does_not_hold_up_who_ends_at_once() {
    let mut server = Running::start(patient().drain_delay(LONG), ok()).await;
    server.shutdown.trigger();
    let _client = server.connect().await;
    server.shutdown.end_now();
    server.ended().await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_its_connection_closed() {
    let gate = gate();
    let mut server = Running::start(patient(), gate.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    gate.started.given().await;
    let mut idle = server.connect().await;
    server.shutdown.trigger();
    // By then the server has told its connections.
    idle.closed().await;
    gate.go.give();
    let response = client.receive_all().await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    let summary = server.ended().await;
    assert_eq!(summary.connections_cut, 0);
}

#[tokio::test]
async fn an_endless_stream_says_its_last_words() {
    let (drain, grace) = (Duration::from_millis(10_200), Duration::from_secs(10));
    let limits = Limits::default().drain(drain).stream_grace(grace);
    let shutdown = Shutdown::new();
    let handle = shutdown.clone();
    let stream = silent(move || handle.streams_must_end());
    let mut server = Running::start_with(limits, shutdown, stream.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.receive_until("data: first\n\n").await;

    let started = Instant::now();
    server.shutdown.trigger();
    client.receive_until("data: last\n\n").await;
    assert!(started.elapsed() >= drain - grace, "told too early");
    // The end of the chunked body: the stream was finished, not broken.
    assert!(client.receive_all().await.ends_with("0\r\n\r\n"));
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (1, 0));
    assert!(summary.took < drain, "took {:?}", summary.took);
}

#[tokio::test]
async fn a_stream_that_does_not_listen_is_cut_at_the_deadline() {
    let drain = Duration::from_millis(200);
    let stream = silent(pending::<()>);
    let mut server = Running::start(Limits::default().drain(drain), stream.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.receive_until("data: first\n\n").await;

    server.shutdown.trigger();
    let summary = server.ended().await;
    assert_eq!((summary.connections_drained, summary.connections_cut), (0, 1));
    assert!(summary.took >= drain);
    assert!(stream.dropped.is_given(), "the body outlives the server");
    client.closed().await;
}

#[tokio::test]
async fn a_second_request_to_end_does_not_wait() {
    let gate = gate();
    let mut server = Running::start(patient(), gate.app).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    gate.started.given().await;
    server.shutdown.trigger();
    server.shutdown.end_now();
    assert_eq!(server.ended().await.connections_cut, 1);
    assert!(gate.dropped.is_given());
    client.closed().await;
}

#[tokio::test]
async fn tasks_are_waited_for() {
    let mut server = Running::start(patient(), ok()).await;
    let (go, done) = (Signal::default(), Signal::default());
    server.shutdown.spawn({
        let (go, done) = (go.clone(), done.clone());
        async move {
            go.given().await;
            done.give();
        }
    });
    let mut idle = server.connect().await;
    server.shutdown.trigger();
    // By then the server has told its connections.
    idle.closed().await;
    go.give();
    assert_eq!(server.ended().await.tasks_left, 0);
    assert!(done.is_given());
}

#[tokio::test]
async fn tasks_that_do_not_end_are_left_behind() {
    let limits = Limits::default().drain(Duration::from_millis(100));
    let mut server = Running::start(limits, ok()).await;
    server.shutdown.spawn(pending::<()>());
    server.shutdown.trigger();
    assert_eq!(server.ended().await.tasks_left, 1);
}

#[tokio::test]
async fn everyone_learns_of_it() {
    let shutdown = Shutdown::new();
    let (stopping, must_end) = (shutdown.stopping(), shutdown.streams_must_end());
    assert!(!shutdown.is_stopping());
    shutdown.trigger();
    soon("stopping", stopping).await;
    assert!(shutdown.is_stopping());
    soon("stopping, for who asks late", shutdown.stopping()).await;
    shutdown.end_now();
    soon("streams must end", must_end).await;
}

#[cfg(unix)]
#[tokio::test]
async fn signals_start_it_and_end_it() {
    fn signal_myself(name: &str) {
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
    let shutdown = Shutdown::on_signals().unwrap();
    signal_myself("-TERM");
    soon("the first signal", shutdown.stopping()).await;
    signal_myself("-INT");
    soon("the second signal", shutdown.streams_must_end()).await;
}

//! What a client may cost.

use std::time::Duration;

use alula::{
    prelude::*,
    ws::{CloseFrame, Limits, Message},
};
use tokio::{sync::mpsc, time::Instant};

use super::{Log, Sent, echo, noted};

fn small() -> Limits {
    Limits::default().message_bytes(100).frame_bytes(80)
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let client = App::new("T", "1").websocket_limits(small()).routes(routes![echo]).client().await;
    let mut socket = client.websocket("/echo").connect().await.unwrap();
    socket.send_text("x".repeat(80)).await;
    assert_eq!(socket.recv_text().await.len(), 80);
    socket.send_text("x".repeat(81)).await;
    let CloseFrame { code, reason } = socket.closed().await;
    assert_eq!((code, reason.as_str()), (1009, "A message or frame is larger than 80 bytes"));
}

#[tokio::test]
async fn each_limit_is_that_of_the_innermost_place_that_sets_it() {
    let limits = Limits::default();
    let route = |path, limits| ws(path, echo).websocket_limits(limits);
    let router = Router::new()
        .websocket_limits(limits.frame_bytes(80))
        .route(route("/pings", limits.ping_interval(Duration::from_secs(1))))
        .route(route("/frames", limits.frame_bytes(500)))
        .route(route("/both", limits.frame_bytes(500)).websocket_limits(limits.message_bytes(300)));
    let app = App::new("T", "1").websocket_limits(limits.message_bytes(100).frame_bytes(1000));
    let client = app.include(router).client().await;
    for (path, most) in [("/pings", 80), ("/frames", 100), ("/both", 300)] {
        let mut socket = client.websocket(path).connect().await.unwrap();
        socket.send_text("x".repeat(most)).await;
        assert_eq!(socket.recv_text().await.len(), most);
        socket.send_text("x".repeat(most + 1)).await;
        assert_eq!(socket.recv().await, None, "{path}");
        let reason = format!("A message or frame is larger than {most} bytes");
        assert_eq!(socket.closed().await, CloseFrame { code: 1009, reason }, "{path}");
    }
}

#[tokio::test]
async fn the_endpoint_reads_once_why_it_broke() {
    async fn handler(mut socket: WebSocket, log: Depends<noted>) -> Result<()> {
        while let Some(message) = socket.recv().await {
            match message {
                Ok(Message::Text(text)) => log.note(text),
                Ok(other) => log.note(format!("{other:?}")),
                Err(error) => log.note(error.to_string()),
            }
        }
        Ok(())
    }
    let log = Log::default();
    let app = App::new("T", "1").state(log.clone()).websocket_limits(small());
    let client = app.route(ws("/", handler)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send_text("good").await;
    socket.send_bytes(vec![0; 200]).await;
    assert_eq!(socket.closed().await.code, 1009);
    let broken = "the WebSocket is being closed: 1009 A message or frame is larger than 80 bytes";
    assert_eq!(log.take(), ["good", broken, "exit Ok"]);
}

#[ws("/wait")]
async fn wait(mut socket: WebSocket, log: Depends<noted>) {
    let start = Instant::now();
    while socket.recv().await.is_some() {}
    log.note(format!("{} s", start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_gone() {
    let log = Log::default();
    let client = App::new("T", "1").state(log.clone()).routes(routes![wait]).client().await;
    let socket = client.websocket("/wait").connect().await.unwrap();
    // Nobody reads, so nobody answers.
    tokio::time::sleep(Duration::from_secs(60)).await;
    socket.vanish().await;
    assert_eq!(log.take(), ["40 s", "exit Disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_may_be_silent_for_ever() {
    let log = Log::default();
    let client = App::new("T", "1").state(log.clone()).routes(routes![wait]).client().await;
    let mut socket = client.websocket("/wait").connect().await.unwrap();
    // To wait for a message is to answer pings.
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, socket.recv()).await.is_err());
    socket.close().await;
    assert_eq!(log.take(), ["3600 s", "exit Ok"]);
}

/// Sends 1 KiB as often as it may.
async fn flood(mut socket: WebSocket, sent: State<Sent>, log: Depends<noted>) {
    let start = Instant::now();
    for number in 1.. {
        if socket.send_bytes(vec![b'x'; 1024]).await.is_err() {
            break;
        }
        sent.0.send(number).await.unwrap();
    }
    log.note(format!("{} s", start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_blocks_the_sender_and_is_cut() {
    let log = Log::default();
    let (sender, mut sent) = mpsc::channel(10_000);
    // The client answers no ping either, which would end it, too.
    let limits = Limits::default().ping_interval(Duration::from_secs(1000));
    let app = App::new("T", "1").state(log.clone()).state(Sent(sender)).websocket_limits(limits);
    let client = app.route(ws("/", flood)).client().await;
    let socket = client.websocket("/").connect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut count = 0;
    while let Ok(number) = sent.try_recv() {
        count = number;
    }
    // The write buffer of 64 KiB, what is gathered to be written, and the pipe below.
    assert!((64..=64 + 16 + 16 + 4).contains(&count), "{count} KiB");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sent.try_recv().is_err(), "nothing more was taken");
    socket.vanish().await;
    assert_eq!(log.take(), ["30 s", "exit Disconnected"]);
}

/// Takes nothing until it is told to.
async fn busy(mut socket: WebSocket, go: State<tokio::sync::Semaphore>) -> Result<()> {
    go.acquire().await?.forget();
    while let Some(message) = socket.recv().await {
        socket.send(message?).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_not_read_is_blocked_but_not_cut() {
    let app = App::new("T", "1");
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let client = app.shared_state(go.clone()).route(ws("/", busy)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    let mut count = 0;
    let sending = async {
        loop {
            socket.send_bytes(vec![b'x'; 1024]).await;
            count += 1;
        }
    };
    // Longer than a ping and its answer may take.
    assert!(tokio::time::timeout(Duration::from_secs(100), sending).await.is_err());
    assert!((60..150).contains(&count), "{count} KiB");
    go.add_permits(1);
    for _ in 0..count {
        assert_eq!(socket.recv_bytes().await.len(), 1024);
    }
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_is_cut() {
    let log = Log::default();
    async fn handler(socket: WebSocket, log: Depends<noted>) {
        let start = Instant::now();
        socket.close(1000, "").await;
        log.note(format!("{} s", start.elapsed().as_secs()));
    }
    let client = App::new("T", "1").state(log.clone()).route(ws("/", handler)).client().await;
    let socket = client.websocket("/").connect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    socket.vanish().await;
    assert_eq!(log.take(), ["5 s", "exit Ok"]);
}

#[tokio::test(start_paused = true)]
async fn without_buffers_one_message_goes_after_the_other() {
    async fn repeat(mut socket: WebSocket) -> Result<()> {
        let mut texts = Vec::new();
        while texts.len() < 3 {
            texts.push(socket.recv_text().await.unwrap()?);
        }
        for text in texts {
            socket.send_text(text).await?;
        }
        Ok(())
    }
    let limits = Limits::default().read_buffer_bytes(0).write_buffer_bytes(0);
    let app = App::new("T", "1").websocket_limits(limits);
    let client = app.route(ws("/", repeat)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    for text in ["one", "two", "three"] {
        socket.send_text(text).await;
    }
    for text in ["one", "two", "three"] {
        assert_eq!(socket.recv_text().await, text);
    }
    assert_eq!(socket.closed().await.code, 1000);
}

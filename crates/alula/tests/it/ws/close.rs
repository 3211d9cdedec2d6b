//! How connections end.

use alula::{prelude::*, testing::TestClient, ws::CloseFrame};

use super::{Log, noted};

async fn client(log: &Log, route: alula::Route) -> TestClient {
    App::new("Test", "1.0.0").state(log.clone()).route(route).client().await
}

/// What the client reads and what exits see when an endpoint ends in some way.
async fn end(route: alula::Route) -> (u16, String, Vec<String>) {
    let log = Log::default();
    let client = client(&log, route).await;
    let CloseFrame { code, reason } = client.websocket("/").connect().await.unwrap().closed().await;
    (code, reason, log.take())
}

fn ended(code: u16, reason: &str, exit: &str) -> (u16, String, Vec<String>) {
    (code, reason.to_owned(), vec![format!("exit {exit}")])
}

#[tokio::test]
async fn the_result_decides_on_the_code() {
    async fn fine(_: WebSocket, _: Depends<noted>) {}
    assert_eq!(end(ws("/", fine)).await, ended(1000, "", "Ok"));

    async fn refused(_: WebSocket, _: Depends<noted>) -> Result<()> {
        Err(HttpError::new(404, "no such room"))
    }
    assert_eq!(end(ws("/", refused)).await, ended(1008, "no such room", "Error(404)"));

    async fn broken(_: WebSocket, _: Depends<noted>) -> Result<()> {
        Err(std::io::Error::other("the password is 123"))?;
        Ok(())
    }
    assert_eq!(end(ws("/", broken)).await, ended(1011, "Internal Server Error", "Error(500)"));

    async fn panics(_: WebSocket, _: Depends<noted>) -> Result<()> {
        panic!("the password is 123")
    }
    assert_eq!(end(ws("/", panics)).await, ended(1011, "Internal Server Error", "Panicked"));
}

#[tokio::test]
async fn an_endpoint_may_close_with_its_own_code() {
    async fn handler(socket: WebSocket, log: Depends<noted>) {
        socket.close(4001, "bye").await;
        log.note("closed");
    }
    let log = Log::default();
    let client = client(&log, ws("/", handler)).await;
    let socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.closed().await, CloseFrame { code: 4001, reason: "bye".to_owned() });
    assert_eq!(log.take(), ["closed", "exit Ok"]);
}

#[tokio::test]
async fn what_was_sent_arrives_before_the_close() {
    async fn handler(mut socket: WebSocket) -> Result<()> {
        for number in 0..1000 {
            socket.send_text(format!("{number:0>200}")).await?;
        }
        Ok(())
    }
    let client = client(&Log::default(), ws("/", handler)).await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    for number in 0..1000 {
        assert_eq!(socket.recv_text().await, format!("{number:0>200}"));
    }
    assert_eq!(socket.closed().await.code, 1000);
}

#[tokio::test]
async fn an_invalid_message_that_is_passed_on_is_told() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Turn {
        text: String,
    }
    async fn handler(mut socket: WebSocket, _: Depends<noted>) -> Result<()> {
        while let Some(turn) = socket.recv_json::<Turn>().await {
            drop(turn?.text);
        }
        Ok(())
    }
    let log = Log::default();
    let client = client(&log, ws("/", handler)).await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send_text("{}").await;
    let reason = "text: Field required".to_owned();
    assert_eq!(socket.closed().await, CloseFrame { code: 1008, reason });
    assert_eq!(log.take(), ["exit Error(422)"]);
}

/// Notes what it sees of the end.
async fn watching(mut socket: WebSocket, log: Depends<noted>) {
    while let Some(message) = socket.recv().await {
        if let Err(error) = message {
            log.note(error.to_string());
        }
    }
    let CloseFrame { code, reason } = socket.close_frame().unwrap();
    log.note(format!("{code} {reason}"));
    assert!(socket.send_text("too late").await.is_err());
}

#[tokio::test]
async fn the_client_may_close() {
    let log = Log::default();
    let client = client(&log, ws("/", watching)).await;
    let socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.close_with(3000, "done").await.code, 3000);
    assert_eq!(log.take(), ["3000 done", "exit Ok"]);
}

#[tokio::test]
async fn a_client_may_vanish() {
    let log = Log::default();
    let client = client(&log, ws("/", watching)).await;
    client.websocket("/").connect().await.unwrap().vanish().await;
    assert_eq!(log.take(), ["1006 ", "exit Disconnected"]);
}

#[tokio::test]
async fn an_endpoint_that_sends_to_nobody_ends_without_noise() {
    async fn handler(mut socket: WebSocket, _: Depends<noted>) -> Result<()> {
        socket.closed().await;
        socket.send_text("too late").await?;
        Ok(())
    }
    let log = Log::default();
    let client = client(&log, ws("/", handler)).await;
    client.websocket("/").connect().await.unwrap().vanish().await;
    assert_eq!(log.take(), ["exit Disconnected"]);
}

#[tokio::test]
async fn work_beside_the_socket_learns_that_nobody_waits() {
    async fn handler(socket: WebSocket, log: Depends<noted>) {
        tokio::select! {
            () = std::future::pending() => {}
            () = socket.closed() => log.note("gone"),
        }
    }
    let log = Log::default();
    let client = client(&log, ws("/", handler)).await;
    client.websocket("/").connect().await.unwrap().vanish().await;
    assert_eq!(log.take(), ["gone", "exit Disconnected"]);
}

//! So many requests at a time.

use std::{future::IntoFuture as _, time::Duration};

use alula::{App, Json, Router, Sse, Stream, get, middleware::ConcurrencyLimit};
use futures_util::{StreamExt as _, future::join_all, stream};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

async fn slow() -> Json<u8> {
    sleep(SECOND).await;
    Json(1)
}

#[tokio::test(start_paused = true)]
async fn those_who_find_no_place_are_told_when_to_come_back() {
    let limit = ConcurrencyLimit::new(2).queue(2).wait(SECOND * 3 / 2);
    let router = Router::new().layer(limit).route(get("/1", slow)).route(get("/2", slow));
    let client = App::new("Busy", "1.0.0").include(router).client().await;
    let start = Instant::now();
    let paths = ["/1", "/2", "/1", "/2", "/1"];
    let answers = join_all(paths.map(|path| async {
        let response = client.get(path).await;
        (response.status().as_u16(), start.elapsed().as_secs())
    }));
    // Two at once, two that wait, and one too many.
    assert_eq!(answers.await, [(200, 1), (200, 1), (200, 2), (200, 2), (503, 0)]);
    let full = join_all(["/1", "/1", "/1", "/1", "/1"].map(|path| client.get(path).into_future()));
    let refused = full.await.pop().unwrap();
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.text(), r#"{"detail":"The server has too many requests at the moment"}"#);
}

async fn ticks() -> Sse<impl Stream<Item = u8>> {
    Sse::new(stream::iter(0..10).then(|tick| async move {
        sleep(SECOND).await;
        tick
    }))
}

#[tokio::test(start_paused = true)]
async fn a_stream_counts_until_it_ends_and_the_wait_is_bounded() {
    let limit = ConcurrencyLimit::new(1).wait(3 * SECOND);
    let client = App::new("Busy", "1.0.0").route(get("/", ticks)).layer(limit).client().await;
    let start = Instant::now();
    let stream = client.get("/").stream().await;
    let refused = client.get("/").stream().await;
    assert_eq!((refused.status().as_u16(), start.elapsed().as_secs()), (503, 3));
    drop(stream);
    assert_eq!(client.get("/").stream().await.status(), 200, "who leaves makes room");
}

#[cfg(feature = "ws")]
#[tokio::test]
async fn a_websocket_counts_until_it_is_over() {
    use alula::{WebSocket, ws};

    async fn echo(mut socket: WebSocket) -> alula::Result<()> {
        while let Some(message) = socket.recv().await {
            socket.send(message?).await?;
        }
        Ok(())
    }
    async fn quick() {}
    let (inner, outer) = (ConcurrencyLimit::new(1), ConcurrencyLimit::new(2));
    let router = Router::new().layer(inner.queue(0)).route(ws("/ws", echo)).route(get("/1", quick));
    let app = App::new("Busy", "1.0.0").include(router).route(get("/2", quick));
    let client = app.layer(outer.queue(0)).client().await;
    for _ in 0..2 {
        let mut socket = client.websocket("/ws").connect().await.unwrap();
        socket.send_text("still there").await;
        assert_eq!(socket.recv_text().await, "still there");
        let refused = client.websocket("/ws").connect().await.unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), client.get("/1").await.status().as_u16()),
            (503, 503)
        );
        // The outer limit has one more place, which the refused ones have given back.
        assert_eq!(client.get("/2").await.status(), 204);
        let stream = client.get("/2").stream().await;
        assert_eq!(client.get("/2").await.status(), 503, "one socket and one answer");
        drop(stream);
        socket.close().await;
    }
    assert_eq!(client.get("/1").await.status(), 204);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_makes_room_in_it() {
    let limit = ConcurrencyLimit::new(1).queue(1).wait(60 * SECOND);
    let client = App::new("Busy", "1.0.0").route(get("/", slow)).layer(limit).client().await;
    let impatient = tokio::time::timeout(SECOND / 2, async {
        tokio::task::yield_now().await;
        client.get("/").await
    });
    let last = async {
        sleep(SECOND * 3 / 4).await;
        client.get("/").await
    };
    let (first, impatient, last) = tokio::join!(async { client.get("/").await }, impatient, last);
    assert!(impatient.is_err());
    assert_eq!((first.status().as_u16(), last.status().as_u16()), (200, 200));
}

//! Streams: pings, slow readers, the end of the server.

use std::{sync::Arc, time::Duration};

use alula::{Event, prelude::*};
use futures_util::{StreamExt as _, stream};

async fn serve(route: alula::Route) -> alula::testing::TestClient {
    App::new("Streams", "1.0.0").route(route).client().await
}

#[tokio::test]
async fn events_and_lines_have_their_headers_and_forms() {
    async fn events() -> Sse<impl Stream<Item = Event<u8>>> {
        Sse::new(stream::iter([Event::new(1).event("n").id("a"), Event::raw("[DONE]")]))
    }
    async fn lines() -> JsonLines<impl Stream<Item = [u8; 2]>> {
        JsonLines::new(stream::iter([[1, 2], [3, 4]]))
    }
    let response = serve(get("/", events)).await.get("/").await;
    assert_eq!(response.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(response.header("cache-control"), "no-cache, no-transform");
    assert_eq!(response.header("x-accel-buffering"), "no");
    assert_eq!(response.text(), "event: n\ndata: 1\nid: a\n\ndata: [DONE]\n\n");
    let events = response.events();
    assert_eq!((events[0].event.as_deref(), events[0].json::<u8>()), (Some("n"), 1));
    assert_eq!(events[1].data, "[DONE]");

    let response = serve(get("/", lines)).await.get("/").await;
    assert_eq!(response.header("content-type"), "application/jsonl");
    assert_eq!(response.header("x-accel-buffering"), "no");
    assert_eq!(response.text(), "[1,2]\n[3,4]\n");
}

#[tokio::test(start_paused = true)]
async fn a_ping_comes_after_15_seconds_of_silence_and_only_then() {
    async fn quiet() -> Sse<impl Stream<Item = u8>> {
        let late = |seconds, item| {
            stream::once(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                item
            })
        };
        Sse::new(late(14, 1).chain(late(14, 2)).chain(late(31, 3)))
    }
    let response = serve(get("/", quiet)).await.get("/").await;
    assert_eq!(response.text(), "data: 1\n\ndata: 2\n\n: ping\n\n: ping\n\ndata: 3\n\n");
}

#[tokio::test]
async fn an_item_is_made_when_it_is_read() {
    async fn counted(made: State<std::sync::atomic::AtomicU32>) -> Sse<impl Stream<Item = u32>> {
        let next = move || made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Sse::new(stream::repeat_with(next))
    }
    let app = App::new("Streams", "1.0.0").state(std::sync::atomic::AtomicU32::new(0));
    let client = app.route(get("/", counted)).client().await;
    let mut stream = client.get("/").stream().await;
    for expected in 0..3 {
        let chunk = stream.next().await.unwrap();
        assert_eq!(chunk, format!("data: {expected}\n\n"));
    }
}

#[tokio::test]
async fn one_endpoint_answers_in_two_ways_and_documents_both() {
    #[derive(Deserialize, JsonSchema, Validate)]
    struct Body {
        stream: bool,
    }
    async fn count(Json(body): Json<Body>) -> Either<Json<Vec<u8>>, Sse<impl Stream<Item = u8>>> {
        match body.stream {
            true => Either::Right(Sse::new(stream::iter(0..2))),
            false => Either::Left(Json(vec![0, 1])),
        }
    }
    let client = serve(post("/", count)).await;
    let ask = |stream: bool| client.post("/").json(&serde_json::json!({"stream": stream}));
    assert_eq!(ask(false).await.text(), "[0,1]");
    assert_eq!(ask(true).await.text(), "data: 0\n\ndata: 1\n\n");

    let document = App::new("Streams", "1.0.0").route(post("/", count)).openapi().unwrap();
    let content = &document["paths"]["/"]["post"]["responses"]["200"]["content"];
    let types: Vec<_> = content.as_object().unwrap().keys().collect();
    assert_eq!(types, ["application/json", "text/event-stream"]);
}

#[tokio::test]
async fn bytes_are_streamed_as_they_are() {
    async fn pieces() -> ByteStream<impl Stream<Item = Bytes>> {
        let pieces = stream::iter([Bytes::from_static(b"\0\xff"), Bytes::from_static(b"x")]);
        ByteStream::new(pieces).content_type("audio/wav").content_length(3).attachment("a.wav")
    }
    let client = serve(get("/", pieces).status(202)).await;
    let response = client.get("/").await;
    assert_eq!(response.status(), 202);
    assert_eq!(response.bytes(), &b"\0\xffx"[..]);
    assert_eq!(response.header("content-type"), "audio/wav");
    assert_eq!(response.header("content-length"), "3");
    assert_eq!(response.header("content-disposition"), "attachment; filename=\"a.wav\"");
}

/// Whether the rest of a stream ends in an error.
async fn breaks_off(mut stream: alula::testing::TestStream<'_>) -> bool {
    use futures_util::FutureExt as _;

    let rest = async { while stream.next().await.is_some() {} };
    std::panic::AssertUnwindSafe(rest).catch_unwind().await.is_err()
}

#[tokio::test]
async fn a_stream_of_bytes_that_fails_breaks_off_and_runs_no_tasks() {
    async fn failing(
        Path(how): Path<String>,
        tasks: BackgroundTasks,
        ran: State<std::sync::atomic::AtomicBool>,
    ) -> ByteStream<impl Stream<Item = Result<String>>> {
        let ran = ran.into_inner();
        tasks.add(async move { ran.store(true, std::sync::atomic::Ordering::SeqCst) });
        let mut count = 0;
        ByteStream::new(stream::poll_fn(move |_| {
            count += 1;
            let item = match (count, how.as_str()) {
                (1, _) => Ok("first".to_owned()),
                (2, "error") => Err(HttpError::internal("the disk is on fire")),
                (2, "panic") => panic!("the disk is on fire"),
                _ => Ok("never".to_owned()),
            };
            std::task::Poll::Ready(Some(item))
        }))
    }
    let ran = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let app = App::new("Streams", "1.0.0").shared_state(ran.clone());
    let client = app.route(get("/{how}", failing)).client().await;
    for how in ["/error", "/panic"] {
        let mut stream = client.get(how).stream().await;
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.next().await.unwrap(), "first");
        assert!(breaks_off(stream).await, "{how}");
    }
    client.shutdown().await;
    assert!(!ran.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn the_end_of_the_server_ends_every_stream_in_its_way() {
    use http_body_util::BodyExt as _;
    use tower_service::Service as _;

    async fn events() -> Sse<impl Stream<Item = u8>> {
        Sse::new(stream::iter([1]).chain(stream::pending()))
    }
    async fn lines() -> JsonLines<impl Stream<Item = u8>> {
        JsonLines::new(stream::iter([1]).chain(stream::pending()))
    }
    async fn bytes() -> ByteStream<impl Stream<Item = &'static str>> {
        ByteStream::new(stream::iter(["1"]).chain(stream::pending()))
    }
    let app = App::new("Streams", "1.0.0").route(get("/events", events));
    let app = app.route(get("/lines", lines)).route(get("/bytes", bytes));
    let shutdown = alula::Shutdown::new();
    let (mut service, ending) = app.into_service(shutdown.clone()).await.unwrap();
    let mut bodies = Vec::new();
    for path in ["/events", "/lines", "/bytes"] {
        let request = http::Request::get(path).body(alula::Body::empty()).unwrap();
        let mut body = service.call(request).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        bodies.push(body);
    }
    shutdown.end_now();
    let error = r#"{"detail":"The server is shutting down"}"#;
    let [events, lines, bytes] = bodies.try_into().unwrap();
    let last = events.collect().await.unwrap().to_bytes();
    assert_eq!(last, format!("event: error\ndata: {error}\n\n"));
    assert_eq!(lines.collect().await.unwrap().to_bytes(), format!("{error}\n"));
    assert!(bytes.collect().await.is_err(), "bytes have no room for words");
    ending.run().await;
}

#[tokio::test]
async fn an_open_stream_holds_nothing_of_the_buffer_that_its_request_came_in() {
    use http_body_util::BodyExt as _;
    use tower_service::Service as _;

    async fn open(id: RequestId) -> Sse<impl Stream<Item = String>> {
        Sse::new(stream::iter([id.to_string()]).chain(stream::pending()))
    }
    /// The target and the id of a request, as a server reads them.
    struct Read(Arc<[u8]>);
    impl AsRef<[u8]> for Read {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let app = App::new("Streams", "1.0.0").route(get("/open", open));
    let (mut service, ending) = app.into_service(alula::Shutdown::new()).await.unwrap();
    let buffer: Arc<[u8]> = Arc::from(&b"/open?x=1 r-1"[..]);
    let read = Bytes::from_owner(Read(buffer.clone()));
    let uri = http::Uri::from_maybe_shared(read.slice(..9)).unwrap();
    let id = http::HeaderValue::from_maybe_shared(read.slice(10..)).unwrap();
    drop(read);
    let request = http::Request::get(uri).header("x-request-id", id).body(alula::Body::empty());
    let mut response = service.call(request.unwrap()).await.unwrap();
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "data: \"r-1\"\n\n");
    // The head of the answer is sent by now.
    response.headers_mut().clear();
    assert_eq!(Arc::strong_count(&buffer), 1);
    drop(response);
    ending.run().await;
}

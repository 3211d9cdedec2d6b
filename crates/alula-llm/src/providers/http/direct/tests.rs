//! Calls to servers on this machine.

use std::{convert::Infallible, sync::Mutex, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Request,
    body::{Frame, Incoming},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::Notify,
    task::JoinSet,
};

use super::*;

mod tls;

const PATIENCE: Duration = Duration::from_secs(5);

fn direct() -> Direct {
    Direct::new(tls::trusting([]), PATIENCE)
}

async fn listen() -> (TcpListener, Uri) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/x", listener.local_addr().unwrap());
    (listener, uri.parse().unwrap())
}

/// Asks, and reads all of the answer.
async fn ask(direct: &Direct, uri: &Uri, body: impl Into<Bytes>) -> Result<String, CallError> {
    ask_in_parts(direct, uri, body.into().into()).await
}

async fn ask_in_parts(direct: &Direct, uri: &Uri, body: Parts) -> Result<String, CallError> {
    let answer = direct.send((Method::POST, uri), HeaderMap::new(), body);
    let mut answer = timeout(PATIENCE, answer).await.expect("an answer comes")?;
    let mut text = format!("{} ", answer.status().as_u16());
    while let Some(piece) = next(answer.body_mut()).await {
        text += &String::from_utf8_lossy(&piece?);
    }
    Ok(text)
}

async fn next(body: &mut Body) -> Option<Result<Bytes, CallError>> {
    timeout(PATIENCE, poll_fn(|cx| body.poll_piece(cx))).await.expect("a piece comes")
}

/// The head of a request and as many bytes after it as it says.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "{request:?}");
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Whether the client closes the connection, and says nothing more.
async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, stream.read(&mut [0; 8])).await, Ok(Ok(0)))
}

#[tokio::test]
async fn a_connection_is_used_again_by_the_next_call() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let calls = async {
        for _ in 0..3 {
            assert_eq!(ask(&direct, &uri, "hello").await.unwrap(), "200 ok");
        }
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            let request = read_request(&mut stream).await;
            assert!(request.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
            assert!(request.ends_with("\r\n\r\nhello"), "{request}");
            assert!(request.contains("\r\naccept: */*\r\nuser-agent: alula-llm/"), "{request}");
            say(&mut stream, OK).await;
        }
    };
    tokio::join!(calls, server);
}

#[tokio::test]
async fn calls_at_once_have_a_connection_each() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let server = async {
        let (mut one, _) = listener.accept().await.unwrap();
        let (mut two, _) = listener.accept().await.unwrap();
        for stream in [&mut one, &mut two] {
            read_request(stream).await;
        }
        for stream in [&mut one, &mut two] {
            say(stream, OK).await;
        }
        (one, two)
    };
    let calls = async { tokio::join!(ask(&direct, &uri, "a"), ask(&direct, &uri, "b")) };
    let ((one, two), _streams) = tokio::join!(calls, server);
    assert_eq!((one.unwrap(), two.unwrap()), ("200 ok".to_owned(), "200 ok".to_owned()));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let answered = Notify::new();
    let calls = async {
        assert_eq!(ask(&direct, &uri, "a").await.unwrap(), "200 ok");
        answered.notify_one();
        // It takes a moment until the end arrives, and until then nobody can know of it.
        let arrived = async {
            while let Some(Found::Idle(link)) = direct.pool.take(&uri) {
                direct.pool.put(link);
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, arrived).await.unwrap();
        assert_eq!(ask(&direct, &uri, "b").await.unwrap(), "200 ok");
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        say(&mut stream, OK).await;
        answered.notified().await;
        say(&mut stream, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut stream).await.ends_with("\r\n\r\nb"));
        say(&mut stream, OK).await;
    };
    tokio::join!(calls, server);
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let calls = async {
        assert_eq!(ask(&direct, &uri, "a").await.unwrap(), "200 ok");
        let error = ask(&direct, &uri, "b").await.unwrap_err();
        assert!(matches!(error, CallError::Http1(http1::Error::NoAnswer)), "{error:?}");
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in [OK, ""] {
            read_request(&mut stream).await;
            say(&mut stream, answer).await;
        }
        drop(stream);
    };
    tokio::join!(calls, server);
}

#[tokio::test]
async fn a_body_that_nobody_reads_to_its_end_closes_the_connection() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let call = async {
        let answer = direct.send((Method::GET, &uri), HeaderMap::new(), Parts::default());
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "hello");
        drop(body);
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        say(&mut stream, "5\r\nhello\r\n").await;
        assert!(is_closed(&mut stream).await);
    };
    tokio::join!(call, server);
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_the_connection() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream
    };
    let answer = direct.send((Method::GET, &uri), HeaderMap::new(), Parts::default());
    tokio::select! {
        _ = answer => panic!("there is no answer"),
        mut stream = server => assert!(is_closed(&mut stream).await),
    }
}

#[tokio::test]
async fn an_early_refusal_is_told_though_the_request_is_not_all_read() {
    let (listener, uri) = listen().await;
    let direct = direct();
    let large = vec![b'x'; 32 << 20];
    let server = async {
        for ends in [false, true] {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 1000]).await.unwrap();
            say(&mut stream, "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await;
            if !ends {
                // The rest stays where it is, and the connection is not used again.
                while !matches!(stream.read(&mut [0; 64 << 10]).await, Ok(0) | Err(_)) {}
            }
        }
    };
    let calls = async {
        for _ in 0..2 {
            assert_eq!(ask(&direct, &uri, large.clone()).await.unwrap(), "413 no");
        }
    };
    tokio::join!(calls, server);
}

#[tokio::test]
async fn what_cannot_be_reached_is_no_connection() {
    let (listener, uri) = listen().await;
    drop(listener);
    let error = ask(&direct(), &uri, "").await.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)) && !is_late(&error), "{error:?}");
    let error = ask(&direct(), &Uri::from_static("/x"), "").await.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)), "{error:?}");
}

/// Answers each request with its body, in chunks of various sizes, as hyper sends them.
async fn echo<S>(stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let sizes = [1, 2, 3, 100, 1000, 10_000, 100_000].into_iter().cycle();
        let chunks = sizes.scan(body, |left, size| {
            let size = left.len().min(size);
            (size > 0).then(|| Ok::<_, Infallible>(Frame::data(left.split_to(size))))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(chunks))))
    });
    let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test]
async fn what_is_sent_to_another_implementation_comes_back() {
    let (listener, uri) = listen().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        // There is to be one.
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(echo(stream));
        connections.join_all().await;
    });
    let direct = direct();
    for length in [0, 1, 7, 500, 20_000, 300_000, 3_000_000] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        assert_eq!(ask(&direct, &uri, text.clone()).await.unwrap(), format!("200 {text}"));
    }
}

#[test]
fn a_pool_outlives_the_runtime_of_its_connections() {
    let of_server = Runtime::new().unwrap();
    let (listener, uri) = of_server.block_on(listen());
    let opened = Arc::new(Mutex::new(0));
    let count = Arc::clone(&opened);
    of_server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            *count.lock().unwrap() += 1;
            connections.spawn(echo(stream));
        }
    });
    let direct = direct();
    for times in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..2 {
            assert_eq!(runtime.block_on(ask(&direct, &uri, "hello")).unwrap(), "200 hello");
        }
        assert_eq!(*opened.lock().unwrap(), times);
    }
}

#[test]
fn a_call_needs_little_room() {
    let (direct, uri) = (direct(), Uri::from_static("http://a/"));
    let call = direct.send((Method::GET, &uri), HeaderMap::new(), Parts::default());
    assert!(size_of_val(&call) <= 640, "{}", size_of_val(&call));
    assert!(size_of::<Body>() <= 64, "{}", size_of::<Body>());
    let idle = size_of::<Connection<TcpStream>>();
    assert!(idle <= 160, "{idle}");
}

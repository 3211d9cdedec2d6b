//! A server on this machine that answers as a function says, and can break off as one wishes.

use std::{
    error::Error as StdError,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The largest request that is read, in bytes; others get a 413.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// An answer, whose body is sent as it comes. One without `content-length` is sent in chunks.
pub(super) type Answer = Response<BoxStream<'static, Result<Bytes, Cut>>>;

/// The connection ends here, in place of an answer or in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    #[error("the connection is closed")]
    Close,
    /// What a process that dies leaves behind.
    #[error("the connection is reset")]
    Reset,
}

/// Answers on a free port of 127.0.0.1 until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _accept: JoinSet<()>,
}

impl Server {
    /// Answers each request with what `handler` makes of it, HTTP/1.1 and with keep-alive.
    ///
    /// The future of the handler, and the body it returns, are dropped when the client leaves.
    pub(super) async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Answer, Cut>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let mut accept = JoinSet::new();
        accept.spawn(accept_all(listener, Arc::clone(&connections), handler));
        Ok(Self { address, connections, _accept: accept })
    }

    /// Its address, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections clients have opened.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn accept_all<H, F>(listener: TcpListener, opened: Arc<AtomicUsize>, handler: H)
where
    H: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, Cut>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // One that is gone already is no reason to stop.
                let Ok((stream, _)) = accepted else { continue };
                opened.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve(stream, handler.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Bytes>) -> F + Clone,
    F: Future<Output = Result<Answer, Cut>> + Send + 'static,
{
    // Chunks are to leave when they are written. Without it they still arrive.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            let answer = match read(request).await? {
                Some(request) => handler(request).await?,
                None => refusal(),
            };
            Ok::<_, Cut>(answer.map(|body| StreamBody::new(flushed(body).map_ok(Frame::data))))
        }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        // Chunks of a byte are many: they are copied into one write.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    let ended = (&mut connection).await;
    if ended.is_err_and(|error| is_reset(&error)) {
        let stream = connection.into_parts().io.into_inner();
        // A socket that does not linger is reset when it is dropped. One that is gone is gone.
        let _ = stream.set_zero_linger();
    }
}

/// The whole request, unless it is too large.
async fn read(request: Request<Incoming>) -> Result<Option<Request<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => Ok(Some(Request::from_parts(head, body.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        // The client left before it had sent all.
        Err(_) => Err(Cut::Close),
    }
}

fn refusal() -> Answer {
    let mut answer = Response::new(stream::empty().boxed());
    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    answer
}

/// The body, with time to send what was before a cut.
fn flushed(
    body: BoxStream<'static, Result<Bytes, Cut>>,
) -> impl Stream<Item = Result<Bytes, Cut>> + Send {
    body.then(|item| async {
        if item.is_err() {
            tokio::task::yield_now().await;
        }
        item
    })
}

fn is_reset(error: &hyper::Error) -> bool {
    let cut = error.source().and_then(|source| source.downcast_ref());
    cut == Some(&Cut::Reset)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::Notify,
        time::timeout,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Posts `body`, and returns what comes back and how it ended.
    async fn post(server: &Server, body: &str) -> (String, io::Result<()>) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // It may be refused before it is read.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        (String::from_utf8(answer).unwrap(), end.map(drop))
    }

    async fn answering(pieces: Vec<Result<&'static str, Cut>>) -> Server {
        let answer = move |_| {
            let pieces = pieces.clone().into_iter().map(|it| it.map(Bytes::from));
            async { Ok(Response::new(stream::iter(pieces).boxed())) }
        };
        Server::start(answer).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_in_its_chunks() {
        let server = answering(vec![Ok("Hel"), Ok("lo")]).await;
        let (answer, end) = post(&server, "").await;
        assert!(answer.ends_with("\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n"), "{answer}");
        assert!(end.is_ok());
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn a_cut_comes_after_what_was_sent_before() {
        let server = answering(vec![Ok("Hel"), Err(Cut::Close)]).await;
        let (answer, end) = post(&server, "").await;
        assert!(answer.ends_with("3\r\nHel\r\n"), "{answer}");
        assert!(end.is_ok());

        let server = answering(vec![Ok("Hel"), Err(Cut::Reset)]).await;
        let (answer, end) = post(&server, "").await;
        assert!(answer.ends_with("3\r\nHel\r\n"), "{answer}");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_cut_may_come_in_place_of_an_answer() {
        for (cut, expected) in
            [(Cut::Close, None), (Cut::Reset, Some(io::ErrorKind::ConnectionReset))]
        {
            let server = Server::start(move |_| async move { Err(cut) }).await.unwrap();
            let (answer, end) = post(&server, "").await;
            assert_eq!((answer.as_str(), end.err().map(|error| error.kind())), ("", expected));
        }
    }

    #[tokio::test]
    async fn a_request_has_its_limit() {
        let server = answering(vec![Ok("Hello")]).await;
        let (answer, _) = post(&server, &"x".repeat(REQUEST_BYTES_MAX + 1)).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    /// Says when it is dropped.
    struct Alive(Arc<Notify>);

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_its_answer_along() {
        let gone = Arc::new(Notify::new());
        let of_server = Arc::clone(&gone);
        let server = Server::start(move |_| {
            let alive = Alive(Arc::clone(&of_server));
            let never = stream::pending().chain(stream::once(async move {
                drop(alive);
                Err(Cut::Close)
            }));
            async { Ok(Response::new(never.boxed())) }
        });
        let server = server.await.unwrap();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.read_u8().await.unwrap();
        drop(stream);
        timeout(PATIENCE, gone.notified()).await.unwrap();
    }
}

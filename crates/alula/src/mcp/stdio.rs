//! MCP over the input and the output of a process: a message on each line.

use std::{
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::Request;
use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader,
    },
    sync::{Semaphore, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    context::Outbox,
    engine::{Caller, Engine, changes, panicked},
    message::{Capabilities, Id, Incoming, Params, Request as RpcRequest, RpcError},
    session::Session,
};
use crate::{
    dependency::RequestScope,
    input::{RequestContext, RequestId},
    serve::Shutdown,
};

/// How many messages wait to be written; then those who send them wait.
const MESSAGES_MAX: usize = 64;

/// Answers what comes in, until that ends or the server stops.
pub(crate) async fn serve(
    engine: Arc<Engine>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: &Shutdown,
    within: Duration,
) -> io::Result<()> {
    let (sender, messages) = mpsc::channel(MESSAGES_MAX);
    let writing = stop.spawn(write(messages, output));
    let connection = Connection::new(engine, sender);
    let ended = connection.read(BufReader::new(input), stop).await;
    // What goes on is answered; what would never end, ends.
    connection.finish(within).await;
    match tokio::time::timeout(within, writing).await {
        Ok(Ok(written)) => ended.and(written),
        Ok(Err(error)) => ended.and(Err(io::Error::other(error))),
        Err(_) => ended,
    }
}

/// Writes messages as they come, several at once where there are some.
async fn write(
    mut messages: mpsc::Receiver<Bytes>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut lines = BytesMut::new();
    while let Some(message) = messages.recv().await {
        lines.extend_from_slice(&message);
        lines.extend_from_slice(b"\n");
        while let Ok(message) = messages.try_recv() {
            lines.extend_from_slice(&message);
            lines.extend_from_slice(b"\n");
        }
        output.write_all(&lines).await?;
        output.flush().await?;
        lines.clear();
    }
    Ok(())
}

/// How many requests wait for those before them; what is more is refused.
const WAITING_MAX: usize = 1024;

/// What runs functions of the application, of which only so many run at once.
const RUNS_FUNCTION: [&str; 4] =
    ["tools/call", "resources/read", "prompts/get", "completion/complete"];

struct Connection {
    engine: Arc<Engine>,
    out: mpsc::Sender<Bytes>,
    /// Knows what goes on, also where the client has no session.
    calls: Arc<Session>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    session: Mutex<Option<Arc<Session>>>,
    /// Says that the input has ended, to what would go on for ever.
    ended: CancellationToken,
}

impl Connection {
    fn new(engine: Arc<Engine>, out: mpsc::Sender<Bytes>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(engine.settings.concurrency_max));
        let calls = Session::new(Capabilities::default(), None, None);
        Arc::new(Self {
            engine,
            out,
            calls: Arc::new(calls),
            places,
            tasks: TaskTracker::new(),
            session: Mutex::default(),
            ended: CancellationToken::new(),
        })
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(
        self: &Arc<Self>,
        mut input: impl AsyncBufRead + Unpin,
        stop: &Shutdown,
    ) -> io::Result<()> {
        let stopping = stop.stopping();
        tokio::pin!(stopping);
        let mut line = BytesMut::new();
        loop {
            let max = self.engine.settings.message_bytes_max;
            let read = tokio::select! {
                biased;
                () = &mut stopping => return Ok(()),
                // Nobody reads what is written.
                () = self.out.closed() => return Ok(()),
                read = read_line(&mut input, &mut line, max) => read?,
            };
            match read {
                Line::End => return Ok(()),
                Line::TooLong => {
                    let error = format!("a message has at most {max} bytes");
                    self.say(RpcError::invalid_request(error).response(None)).await;
                }
                Line::Read => {
                    let line = line.split().freeze();
                    if !line.trim_ascii().is_empty() {
                        tokio::select! {
                            biased;
                            () = &mut stopping => return Ok(()),
                            () = self.take(&line) => {}
                        }
                    }
                }
            }
        }
    }

    async fn say(&self, message: Bytes) {
        // Nobody may read it any more.
        let _ = self.out.send(message).await;
    }

    async fn take(self: &Arc<Self>, line: &Bytes) {
        match Incoming::parse(line) {
            Ok(Incoming::Request(request)) => self.begin(request).await,
            Ok(Incoming::Notification { method, params }) => {
                let params = Params::parse(&params).unwrap_or_default();
                if let Some(id) = params.request_id.filter(|_| method == "notifications/cancelled")
                {
                    self.calls.cancel(&Id::of(id));
                }
            }
            Ok(Incoming::Response { id, result }) => {
                if let Some(session) = self.session() {
                    session.answer(&id, result);
                }
            }
            Err(malformed) => self.say(malformed.response()).await,
        }
    }

    /// Begins to answer a request. Calls wait for each other where there are too many; what comes
    /// after them does not: it may be what they wait for.
    async fn begin(self: &Arc<Self>, request: RpcRequest) {
        let is_endless = request.method == "subscriptions/listen";
        let is_handshake = request.method == "initialize";
        if self.tasks.len() >= self.engine.settings.concurrency_max.saturating_add(WAITING_MAX) {
            let error = RpcError::new(RpcError::REFUSED, "Too many requests are being answered");
            return self.say(error.response(Some(&request.id))).await;
        }
        let takes_place = RUNS_FUNCTION.contains(&request.method.as_str());
        let running = self.calls.begin(&request.id);
        let this = self.clone();
        let answering = async move {
            let token = running.token.clone();
            let place = tokio::select! {
                biased;
                () = token.cancelled() => return,
                // It is never closed.
                place = this.places.clone().acquire_owned(), if takes_place => place.ok(),
                () = std::future::ready(()), if !takes_place => None,
            };
            let answer = tokio::select! {
                answer = this.answer(request, token) => answer,
                () = this.ended.cancelled(), if is_endless => Bytes::new(),
            };
            drop((running, place));
            if !answer.is_empty() {
                this.say(answer).await;
            }
        };
        match is_handshake {
            // What comes after it belongs to the session.
            true => answering.await,
            false => _ = self.tasks.spawn(answering),
        }
    }

    async fn answer(self: &Arc<Self>, request: RpcRequest, cancelled: CancellationToken) -> Bytes {
        let engine = self.engine.clone();
        let mut cx = request_context(&engine);
        let access = match AssertUnwindSafe(engine.enter(&mut cx)).catch_unwind().await {
            Ok(Ok(access)) => access,
            Err(panic) => return panicked(&*panic).answer(&request.id).json,
            Ok(Err(error)) => {
                tracing::warn!(error = %error.log_message(), "a request over stdio was refused");
                let error = RpcError::new(RpcError::REFUSED, error.message());
                return error.response(Some(&request.id));
            }
        };
        let caller = Caller {
            access,
            session: self.session(),
            out: Outbox(Some(self.out.clone())),
            is_http: false,
            cancelled: Some(cancelled),
        };
        let answer = engine.answer(request, cx, caller).await;
        if let Some(session) = answer.session {
            self.set_session(session);
        }
        answer.json
    }

    /// Begins a session, which is told of changes.
    fn set_session(&self, session: Arc<Session>) {
        let (changes, out) = (self.engine.mcp.listen(), Outbox(Some(self.out.clone())));
        let (ended, stream) = (self.ended.clone(), session.open_stream());
        self.tasks.spawn(async move {
            tokio::select! {
                () = changes::forward(changes, stream.session.clone(), out) => {}
                () = stream.ended.cancelled() => {}
                () = ended.cancelled() => {}
            }
        });
        let mut current = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = current.replace(session) {
            before.end();
        }
    }

    /// Waits for what is being answered; nobody answers its questions any more.
    async fn finish(self: Arc<Self>, within: Duration) {
        self.ended.cancel();
        if let Some(session) = self.session() {
            session.end();
        }
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "calls over stdio were left where they stood");
            self.calls.end();
        }
    }
}

/// A request that no HTTP request has brought.
fn request_context(engine: &Engine) -> RequestContext {
    let scope = RequestScope::new(engine.shutdown.clone());
    let mut request = Request::new(axum::body::Body::empty());
    request.headers_mut().clone_from(&engine.settings.stdio_headers);
    request.extensions_mut().insert(RequestId::new(&crate::app::unique_text()));
    RequestContext::new(request, engine.limits, scope)
}

/// What was read of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Read,
    TooLong,
    End,
}

/// Reads a line without its end. One that is too long is read and forgotten.
///
/// It may be dropped between two parts of a line, and goes on where it was.
pub(super) async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut BytesMut,
    max: usize,
) -> io::Result<Line> {
    loop {
        let part = input.fill_buf().await?;
        if part.is_empty() {
            return Ok(if line.is_empty() { Line::End } else { Line::Read });
        }
        let end = memchr::memchr(b'\n', part);
        let taken = end.map_or(part.len(), |end| end + 1);
        // One more than allowed says that it is too long.
        let room = (max + 1).saturating_sub(line.len());
        line.extend_from_slice(part.get(..end.unwrap_or(taken).min(room)).unwrap_or_default());
        input.consume(taken);
        if end.is_some() {
            if line.len() > max {
                line.clear();
                return Ok(Line::TooLong);
            }
            return Ok(Line::Read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &str, max: usize) -> Vec<String> {
        let mut input = BufReader::with_capacity(3, text.as_bytes());
        let (mut line, mut lines) = (BytesMut::new(), Vec::new());
        loop {
            match read_line(&mut input, &mut line, max).await.unwrap() {
                Line::End => return lines,
                Line::TooLong => lines.push("too long".to_owned()),
                Line::Read => {
                    lines.push(String::from_utf8(line.split().to_vec()).unwrap());
                }
            }
        }
    }

    #[tokio::test]
    async fn lines_have_a_limit() {
        assert_eq!(lines("abcd\n\nef", 4).await, ["abcd", "", "ef"]);
        assert_eq!(lines("abcde\nf\n", 4).await, ["too long", "f"]);
    }
}

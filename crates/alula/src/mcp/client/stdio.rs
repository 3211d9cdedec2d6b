//! A server at the other end of a pipe: a message on each line.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    process::Command,
    sync::{mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ClientError, Notices,
    program::Program,
    wire::{self, Outgoing},
};
use crate::mcp::{
    message::{Incoming, notification},
    stdio::{Line, read_line},
};

/// How many messages wait to be written; then those who send them wait.
const MESSAGES_MAX: usize = 64;
/// How much of the log of a program is kept, to say why it has ended.
const LOG_BYTES_MAX: usize = 4096;
/// The longest line of the log; what is longer is left out.
const LOG_LINE_BYTES_MAX: usize = 2048;

type Reply = Result<Value, ClientError>;

/// A connection.
pub(super) struct Stdio {
    out: mpsc::Sender<Bytes>,
    waiting: Arc<Waiting>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What comes from the server, and where it goes.
struct Incomings {
    waiting: Arc<Waiting>,
    out: mpsc::Sender<Bytes>,
    notices: Option<Notices>,
    bytes_max: usize,
}

impl Stdio {
    /// Starts a program.
    pub(super) fn start(
        command: &mut Command,
        bytes_max: usize,
        notices: Option<Notices>,
    ) -> Result<Self, ClientError> {
        let started = Program::start(command).map_err(|error| {
            let name = command.as_std().get_program().to_string_lossy().into_owned();
            ClientError::Unreachable(format!("`{name}` cannot be started: {error}"))
        });
        let (program, (input, output, log)) = started?;
        let tail = Arc::new(Mutex::new(String::new()));
        let tasks = TaskTracker::new();
        let logging = tasks.spawn(keep_log(BufReader::new(log), tail.clone()));
        let end = async move {
            let status = program.end().await;
            // What it has said last.
            let _ = logging.await;
            let tail = locked(&tail).trim().to_owned();
            let ended = match status {
                Some(status) => format!("the program ended with {status}"),
                None => "the program ended".to_owned(),
            };
            match tail.is_empty() {
                true => ended,
                false => format!("{ended}; it said: {tail}"),
            }
        };
        Ok(Self::open(output, input, end, tasks, (bytes_max, notices)))
    }

    /// Speaks over any pair of streams.
    pub(super) fn over(
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
        bytes_max: usize,
        notices: Option<Notices>,
    ) -> Self {
        let end = std::future::ready("the stream has ended".to_owned());
        Self::open(input, output, end, TaskTracker::new(), (bytes_max, notices))
    }

    /// `end` says why it has ended, once nothing more comes or is to come.
    fn open(
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
        end: impl Future<Output = String> + Send + 'static,
        tasks: TaskTracker,
        (bytes_max, notices): (usize, Option<Notices>),
    ) -> Self {
        let (out, messages) = mpsc::channel(MESSAGES_MAX);
        let (stop, waiting) = (CancellationToken::new(), Arc::new(Waiting::default()));
        let incomings =
            Incomings { waiting: waiting.clone(), out: out.clone(), notices, bytes_max };
        let stopped = stop.clone();
        tasks.spawn(async move {
            let read = incomings.read(BufReader::new(input));
            // The end of its input tells the server to end.
            let ended = tokio::select! {
                ended = read => ended.err(),
                () = write(messages, output) => None,
                () = stopped.cancelled() => None,
            };
            let reason = end.await;
            incomings.waiting.close(ended.unwrap_or(ClientError::Closed(reason)));
        });
        tasks.close();
        Self { out, waiting, tasks, stop }
    }

    pub(super) async fn request(&self, outgoing: &Outgoing<'_>) -> Reply {
        let answer = self.waiting.wait_for(outgoing.id)?;
        let abandoned = Abandoned { line: self, id: Some(outgoing.id) };
        if self.out.send(outgoing.message()).await.is_err() {
            return Err(self.waiting.reason().await);
        }
        let reply = match answer.await {
            Ok(reply) => reply,
            Err(_) => Err(self.waiting.reason().await),
        };
        abandoned.answered();
        reply
    }

    pub(super) async fn notify(&self, method: &str, params: &Value) -> Result<(), ClientError> {
        let sent = self.out.send(notification(method, params)).await;
        match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(self.waiting.reason().await),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waiting.closed.is_cancelled()
    }

    /// Ends the server, and waits until it has ended.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Incomings {
    async fn read(&self, mut input: impl AsyncBufRead + Unpin) -> Result<(), ClientError> {
        let mut line = BytesMut::new();
        loop {
            match read_line(&mut input, &mut line, self.bytes_max).await {
                Ok(Line::Read) => {
                    let line = line.split().freeze();
                    if !line.trim_ascii().is_empty() {
                        self.take(&line).await;
                    }
                }
                // Whose answer it was cannot be known.
                Ok(Line::TooLong) => return Err(ClientError::TooLarge(self.bytes_max)),
                Ok(Line::End) | Err(_) => return Ok(()),
            }
        }
    }

    async fn take(&self, line: &Bytes) {
        match Incoming::parse(line) {
            Ok(Incoming::Response { id, result }) => {
                let result = result.map_err(|error| ClientError::refused(&error));
                self.waiting.answer(&id, result);
            }
            Ok(Incoming::Notification { method, params }) => {
                wire::tell(self.notices.as_ref(), &method, &params);
            }
            Ok(Incoming::Request(request)) => {
                let _ = self.out.send(wire::answer(&request)).await;
            }
            Err(_) => {
                let text = String::from_utf8_lossy(line.get(..100).unwrap_or(line)).into_owned();
                tracing::debug!(text, "what an MCP server wrote is no message");
            }
        }
    }
}

/// Writes messages until nobody has any more, or the server reads none.
async fn write(mut messages: mpsc::Receiver<Bytes>, mut output: impl AsyncWrite + Unpin) {
    while let Some(message) = messages.recv().await {
        let written = async {
            output.write_all(&message).await?;
            output.write_all(b"\n").await?;
            output.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
}

/// Logs what a program logs, and keeps the end of it.
async fn keep_log(mut log: impl AsyncBufRead + Unpin, tail: Arc<Mutex<String>>) -> io::Result<()> {
    let mut line = BytesMut::new();
    loop {
        match read_line(&mut log, &mut line, LOG_LINE_BYTES_MAX).await? {
            Line::End => return Ok(()),
            Line::TooLong => {}
            Line::Read => {
                let bytes = line.split();
                let text = String::from_utf8_lossy(&bytes);
                tracing::debug!(text = &*text, "an MCP server says");
                let mut tail = locked(&tail);
                tail.push_str(&text);
                tail.push('\n');
                let excess = tail.len().saturating_sub(LOG_BYTES_MAX);
                let start = tail.ceil_char_boundary(excess);
                tail.drain(..start);
            }
        }
    }
}

/// Who waits for which answer.
#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    answers: HashMap<u64, oneshot::Sender<Reply>>,
    /// Why no more will come.
    closed: Option<ClientError>,
}

impl Waiting {
    fn wait_for(&self, id: u64) -> Result<oneshot::Receiver<Reply>, ClientError> {
        let mut state = locked(&self.state);
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        let (sender, receiver) = oneshot::channel();
        state.answers.insert(id, sender);
        Ok(receiver)
    }

    fn answer(&self, id: &crate::mcp::message::Id, reply: Reply) {
        let id = str::from_utf8(id.json()).ok().and_then(|text| text.parse().ok());
        let waits = id.and_then(|id: u64| locked(&self.state).answers.remove(&id));
        if let Some(waits) = waits {
            // Nobody may wait any more.
            let _ = waits.send(reply);
        }
    }

    fn forget(&self, id: u64) -> bool {
        locked(&self.state).answers.remove(&id).is_some()
    }

    fn close(&self, reason: ClientError) {
        let mut state = locked(&self.state);
        state.closed = Some(reason);
        state.answers.clear();
        self.closed.cancel();
    }

    /// Why it has ended, once that is known.
    async fn reason(&self) -> ClientError {
        self.closed.cancelled().await;
        let reason = locked(&self.state).closed.clone();
        reason.unwrap_or_else(|| ClientError::Closed("it has ended".to_owned()))
    }
}

/// Tells the server that nobody waits for an answer any more, unless it has come.
struct Abandoned<'a> {
    line: &'a Stdio,
    id: Option<u64>,
}

impl Abandoned<'_> {
    fn answered(mut self) {
        self.id = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        if self.line.waiting.forget(id) {
            let params = json!({ "requestId": id, "reason": "nobody waits for it any more" });
            // A server that reads nothing is not told.
            let _ = self.line.out.try_send(notification(wire::CANCELLED, &params));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Calls that go on to the real provider, and are kept.

use std::{
    fmt::Display,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use hyper::{HeaderMap, Request, header};
use reqwest::{Client, Response, Url};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::{
        Arrival, End, Interaction,
        server::{Answer, Cut},
    },
    replay,
    shape::changes,
    tape::Tape,
};
use crate::{Error, ErrorKind, providers::transport_error};

/// How much of an answer may be on its way to a slow client.
const CHUNKS_MAX: usize = 16;

/// How long the rest of an answer is waited for when its client has left: many leave when they
/// have read the last event, before the end of the body.
const GRACE: Duration = Duration::from_secs(2);

/// Headers of a request that belong to its connection, or would change what comes back.
const DROPPED_HEADERS: [header::HeaderName; 9] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Where the answers come from.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) client: Client,
    pub(super) url: Url,
    /// How long it may be silent.
    pub(super) patience: Duration,
}

impl Upstream {
    /// Its host, as a cassette names it.
    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// The address of a call: the path and query that were asked, below our path.
    fn url_of(&self, request: &Request<Bytes>) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), request.uri().path());
        url.set_path(&path);
        url.set_query(request.uri().query());
        url
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response, Error> {
        let url = self.url_of(&request);
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        DROPPED_HEADERS.iter().for_each(|name| drop(headers.remove(name)));
        let sent = self.client.request(head.method, url).headers(headers).body(body).send();
        match timeout(self.patience, sent).await {
            Ok(sent) => sent.map_err(transport_error),
            Err(_) => {
                let message = format!("no answer in {:?}", self.patience);
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }
}

/// Keys that a client sent, by where keys are.
fn keys(headers: &HeaderMap, query: Option<&str>) -> Vec<String> {
    const NAMES: [&str; 6] = ["auth", "cookie", "key", "secret", "signature", "token"];
    const BYTES_MIN: usize = 8;
    let is_secret = |name: &str| NAMES.iter().any(|it| name.contains(it));
    let values = headers.iter().filter(|(name, _)| is_secret(name.as_str()));
    let values = values.filter_map(|(_, value)| value.to_str().ok());
    // Behind a scheme such as `Bearer`.
    let values = values.map(|value| value.split_once(' ').map_or(value, |(_, value)| value));
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let parameters = pairs.filter(|(name, _)| is_secret(name)).map(|(_, value)| value);
    let all = values.chain(parameters).filter(|value| value.len() >= BYTES_MIN);
    all.map(str::to_owned).collect()
}

/// A call that is being recorded, or compared with what was recorded. Nothing of it stays unless
/// its answer is over.
pub(super) struct Recording {
    tape: Arc<Mutex<Tape>>,
    place: usize,
    call: Interaction,
    /// What the answer is compared with, in place of being kept.
    recorded: Option<Arc<Interaction>>,
    body: BytesMut,
    bytes_max: usize,
    whole: bool,
}

impl Recording {
    pub(super) fn begin(
        tape: &Arc<Mutex<Tape>>,
        request: &Request<Bytes>,
        call: Interaction,
        recorded: Option<Arc<Interaction>>,
    ) -> Self {
        let keys = keys(request.headers(), request.uri().query());
        let mut of_tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, bytes_max) = (of_tape.reserve(call.call(), keys), of_tape.answer_bytes_max());
        drop(of_tape);
        Self {
            tape: Arc::clone(tape),
            place,
            call,
            recorded,
            body: BytesMut::new(),
            bytes_max,
            whole: true,
        }
    }

    /// Calls the provider, and passes on to `head` what the answer begins with.
    pub(super) async fn run(
        mut self,
        upstream: Arc<Upstream>,
        request: Request<Bytes>,
        head: oneshot::Sender<Answer>,
    ) {
        self.call.host = upstream.host();
        let response = match upstream.send(request).await {
            Ok(response) => response,
            Err(error) => {
                let reason = self.failed(error);
                let answer = replay::failure(&self.call, &reason);
                self.complain(reason);
                // A client that left needs no answer.
                let _ = head.send(answer);
                return;
            }
        };
        let start = Instant::now();
        self.call.status = response.status().as_u16();
        self.call.headers = kept(response.headers());
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        let body = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let headers = self.call.headers.iter().map(|(name, value)| (&**name, &**value));
        // A client that left is noticed by the channel of the body.
        let _ = head.send(replay::with_head(self.call.status, headers, body.boxed()));
        let end = self.pump(response, &sender, start, upstream.patience).await;
        self.finish(end);
        if end.is_some_and(|end| end != End::Eof) {
            let _ = sender.send(Err(Cut::Reset)).await;
        }
    }

    /// Passes the body on piece by piece, and says how it ended; `None` if its client left long
    /// before the end.
    async fn pump(
        &mut self,
        mut response: Response,
        client: &mpsc::Sender<Result<Bytes, Cut>>,
        start: Instant,
        patience: Duration,
    ) -> Option<End> {
        let mut left: Option<Instant> = None;
        loop {
            let silent = Instant::now() + patience;
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                () = client.closed(), if left.is_none() => {
                    left = Some(Instant::now() + GRACE);
                    continue;
                }
                () = sleep_until(left.unwrap_or(silent)) => {
                    return left.is_none().then_some(End::Timeout);
                }
            };
            match chunk {
                Ok(Some(chunk)) => {
                    self.add(&chunk, start.elapsed());
                    // A client that left is noticed above.
                    let _ = client.send(Ok(chunk)).await;
                }
                Ok(None) => return Some(End::Eof),
                Err(_) => return Some(End::Reset),
            }
        }
    }

    fn add(&mut self, chunk: &Bytes, after: Duration) {
        self.whole &= self.body.len() + chunk.len() <= self.bytes_max;
        if self.whole {
            self.body.extend_from_slice(chunk);
            self.call.arrivals.push(Arrival { after, bytes: chunk.len() });
        }
    }

    /// Keeps the call. The client hears of the end afterwards, so that who has read all of an
    /// answer can rely on the recording.
    fn finish(&mut self, end: Option<End>) {
        let Some(end) = end else {
            return self.complain(self.failed("its client left before the end"));
        };
        if !self.whole {
            let reason =
                format!("its answer is larger than {} bytes; set `bytes_max`", self.bytes_max);
            return self.complain(self.failed(reason));
        }
        let body = mem::take(&mut self.body).freeze();
        let call = Interaction { body, end, ..mem::take(&mut self.call) };
        match &self.recorded {
            None => self.tape().keep(self.place, call),
            Some(recorded) => self.tape().verified(self.place, changes(recorded, &call)),
        }
    }

    /// Says that the call did not do what it was made for.
    fn failed(&self, reason: impl Display) -> String {
        let purpose = if self.recorded.is_some() { "verified" } else { "recorded" };
        format!("{} was not {purpose}: {reason}", self.call.call())
    }

    fn complain(&self, complaint: String) {
        self.tape().give_up(self.place, complaint);
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers of an answer that are kept: none that name an account or open a session.
fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    const NAMES: [&str; 8] = [
        "content-type",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-request-id",
        "x-should-retry",
        "deprecation",
        "sunset",
    ];
    let is_kept = |name: &str| {
        NAMES.contains(&name) || name.contains("ratelimit") || name.ends_with("-version")
    };
    let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
    let kept = kept.filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    kept.collect()
}

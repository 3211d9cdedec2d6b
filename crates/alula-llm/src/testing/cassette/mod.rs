//! Calls to real providers, recorded once and answered from a file ever after.

mod builder;
mod error;
mod mode;
mod record;
mod redact;
mod replay;
mod shape;
mod spelling;
mod tape;

use std::{
    mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use bytes::Bytes;
use hyper::Request;
use tokio::{sync::oneshot, task::JoinSet};

pub use builder::CassetteBuilder;
pub use error::CassetteError;
pub use mode::Mode;

use self::{
    record::{Recording, Upstream},
    replay::Pace,
    tape::Tape,
};
use super::{
    matching::read_request,
    server::{Answer, Cut, Server},
};
use crate::{Anthropic, ApiKey, Cohere, Gemini, Http, OpenAi, OpenAiResponses};

/// A file of calls to a provider, and a server on a free port of this machine that answers them.
///
/// Any client that can be given [`url`](Self::url) can use it: an SDK, a program in another
/// language. The providers of this crate keep their own address, by [`http`](Self::http). Answers
/// come as they were recorded: in the same pieces, ended in the same way, at once or at the
/// [speed](CassetteBuilder::speed) of the recording.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, testing::Cassette};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes/hello.jsonl");
/// let cassette = Cassette::replay(path).start().await?;
///
/// let llm = Llm::builder().provider(cassette.openai("sk-…")).build()?;
/// let answer = llm.chat(ChatRequest::new("fake-model").user("Hi")).await?;
///
/// assert_eq!(answer.text(), "Hello!");
/// cassette.finish();
/// # Ok(())
/// # }
/// ```
///
/// # What fails a test
///
/// A call is the recorded one if its method, path, query and body are, and the headers that say
/// what they mean: `content-type`, `accept`, `*-version` and `*-beta`. How JSON is spelled makes
/// no difference. A call that is not recorded gets an error in its own format, which says how it
/// differs from the nearest recording, and fails the test; so does a recording that was not
/// asked for. The same call recorded several times is answered in that order. All this is found
/// by [`finish`](Self::finish), or else when the cassette is dropped, unless the test has failed
/// already.
///
/// # Recording
///
/// Name the provider in the test, and say in the environment when to call it:
///
/// ```no_run
/// # use alula_llm::testing::Cassette;
/// # async fn test() -> Result<(), alula_llm::testing::CassetteError> {
/// let cassette = Cassette::replay("tests/cassettes/hello.jsonl")
///     .upstream("https://api.openai.com")
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// | `ALULA_CASSETTE` | what is done with a call |
/// |---|---|
/// | `replay`, or not set | it is answered from the file: nothing is called, in CI least of all |
/// | `record-missing` | it is answered from the file, or else recorded |
/// | `record-all` | it is recorded; the file is replaced, which renews it |
/// | `verify` | it is made, and the answer must have the fields and types that the recorded one has |
///
/// The variable overrides [`mode`](CassetteBuilder::mode), and nothing where no provider is
/// named. The file is written when the cassette is finished, as a whole or not at all. A call
/// whose client leaves before the end is not recorded; what went wrong is told like a miss, and
/// then a file is not replaced.
///
/// # Pictures, sounds and files
///
/// Base64 of 1,024 characters and more that is a picture, a sound or a document is not written,
/// and no answer that is one as a whole: only how it begins, its length and its SHA-256. A replay
/// has something random of that length in its place, which begins alike. A test that sends it back
/// in its next request finds the recording all the same, and one that sends another picture does
/// not. [`keep_media`](CassetteBuilder::keep_media) writes them as they are. Forms and other bodies
/// that are no JSON are always written as they are.
///
/// # Secrets
///
/// Of a request only the headers named above are written, of an answer its type, its rate limits
/// and ids, and of a query no keys. A file is not written at all if there is something in it that
/// was sent as a key, that looks like one, or that is as random as one; it is said where. Then
/// [`redact`](CassetteBuilder::redact) what is one, or [`allow`](CassetteBuilder::allow) what is
/// none.
#[derive(Debug)]
pub struct Cassette {
    server: Server,
    http: Http,
    inner: Arc<Inner>,
    finished: bool,
}

#[derive(Debug)]
struct Inner {
    tape: Arc<Mutex<Tape>>,
    upstream: Option<Arc<Upstream>>,
    mode: Mode,
    pace: Pace,
    /// Recordings outlive their clients for a moment.
    recordings: Mutex<JoinSet<()>>,
}

impl Cassette {
    /// A cassette that is replayed: one of this crate, or the YAML of VCR.py, of which no headers
    /// are compared.
    pub fn replay(path: impl AsRef<Path>) -> CassetteBuilder {
        CassetteBuilder::new(path.as_ref(), Mode::Replay)
    }

    /// A cassette into which is recorded what is not in it, from the provider at `upstream`.
    ///
    /// This is [`replay`](Self::replay) with an [`upstream`](CassetteBuilder::upstream) and
    /// [`Mode::RecordMissing`].
    pub fn record(path: impl AsRef<Path>, upstream: impl Into<String>) -> CassetteBuilder {
        CassetteBuilder::new(path.as_ref(), Mode::RecordMissing).upstream(upstream)
    }

    /// Its address, such as `http://127.0.0.1:40913`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Connections that all lead to this cassette, for any provider:
    /// `OpenAi::groq(key).http(cassette.http())`.
    ///
    /// The provider keeps its address, and so sends what it sends in earnest.
    pub fn http(&self) -> Http {
        self.http.clone()
    }

    /// OpenAI's chat completions, answered by this cassette. The key is needed to record.
    pub fn openai(&self, key: impl Into<ApiKey>) -> OpenAi {
        OpenAi::new(key).http(self.http())
    }

    /// OpenAI's responses, under the name `responses`, answered by this cassette. The key is needed
    /// to record.
    pub fn responses(&self, key: impl Into<ApiKey>) -> OpenAiResponses {
        OpenAiResponses::new(key).name("responses").http(self.http())
    }

    /// Anthropic, answered by this cassette. The key is needed to record.
    pub fn anthropic(&self, key: impl Into<ApiKey>) -> Anthropic {
        Anthropic::new(key).http(self.http())
    }

    /// Gemini, answered by this cassette. The key is needed to record.
    pub fn gemini(&self, key: impl Into<ApiKey>) -> Gemini {
        Gemini::new(key).http(self.http())
    }

    /// Cohere, answered by this cassette. The key is needed to record.
    pub fn cohere(&self, key: impl Into<ApiKey>) -> Cohere {
        Cohere::new(key).http(self.http())
    }

    /// Waits until all answers that are being recorded are over.
    ///
    /// Who has read an answer to its end need not. It is for clients that leave after the last
    /// event: the provider has two seconds to end the answer.
    pub async fn settled(&self) {
        let recordings = mem::take(&mut *lock(&self.inner.recordings));
        recordings.join_all().await;
    }

    /// Writes what was recorded, and checks that each call was recorded and each recording asked.
    ///
    /// Dropping the cassette does the same, but cannot say where.
    ///
    /// # Panics
    ///
    /// When that is not so.
    #[track_caller]
    pub fn finish(self) {
        check(self.try_finish());
    }

    /// [`finish`](Self::finish) for programs that are no tests.
    ///
    /// # Errors
    ///
    /// [`CassetteError::Broken`] says all that went wrong.
    pub fn try_finish(mut self) -> Result<(), CassetteError> {
        self.finished = true;
        lock(&self.inner.tape).close()
    }
}

impl Drop for Cassette {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if thread::panicking() {
            // Calls that were paid for are kept, whatever the test made of them.
            lock(&self.inner.tape).rescue();
        } else {
            check(lock(&self.inner.tape).close());
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this fails a test")]
fn check(result: Result<(), CassetteError>) {
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Answers a call from the tape, or from the provider, or says how it misses.
async fn answer(inner: Arc<Inner>, request: Request<Bytes>) -> Result<Answer, Cut> {
    let call = read_request(&request);
    let taken = lock(&inner.tape).take(&call);
    let (upstream, recorded) = match (taken, &inner.upstream) {
        (Ok(found), Some(upstream)) if inner.mode == Mode::Verify => (upstream, Some(found)),
        (Ok(found), _) => return Ok(replay::answer(&found, inner.pace)),
        (Err(_), Some(upstream)) if inner.mode != Mode::Verify => (upstream, None),
        (Err(miss), _) => {
            let reason = miss.to_string();
            let answer = replay::failure(&call, &reason);
            lock(&inner.tape).complain(reason);
            return Ok(answer);
        }
    };
    let recording = Recording::begin(&inner.tape, &request, call, recorded);
    let (head, answer) = oneshot::channel();
    inner.spawn(recording.run(Arc::clone(upstream), request, head));
    answer.await.map_err(|_| Cut::Close)
}

impl Inner {
    fn spawn(&self, recording: impl Future<Output = ()> + Send + 'static) {
        let mut recordings = lock(&self.recordings);
        // Those that are over are let go.
        while recordings.try_join_next().is_some() {}
        recordings.spawn(recording);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

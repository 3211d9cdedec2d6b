use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    super::{load::is_yaml, matching::Rules, server::Server},
    Cassette, CassetteError, Inner, Mode, answer,
    record::Upstream,
    replay::Pace,
    tape::{Policy, Tape},
};
use crate::{Http, providers::base_url};

/// A cassette is small enough to be read in a diff and cloned by everyone.
const BYTES_MAX: usize = 64 << 10;

/// How long a provider may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a [`Cassette`] is to do, before it starts.
///
/// ```
/// # use alula_llm::{ChatRequest, Llm};
/// use alula_llm::testing::Cassette;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes/hello.jsonl");
/// let cassette = Cassette::replay(path)
///     .ignore("/metadata/run") // differs from run to run
///     .redact("/user")
///     .split_every_byte()
///     .start()
///     .await?;
/// assert!(cassette.url().starts_with("http://127.0.0.1:"));
/// # let llm = Llm::builder().provider(cassette.openai("sk-…")).build()?;
/// # llm.chat(ChatRequest::new("fake-model").user("Hi")).await?;
/// cassette.finish();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a cassette does nothing until `start` is called"]
pub struct CassetteBuilder {
    path: PathBuf,
    mode: Mode,
    upstream: Option<String>,
    patience: Duration,
    http: Option<Http>,
    policy: Policy,
    pace: Pace,
}

impl CassetteBuilder {
    pub(super) fn new(path: &Path, mode: Mode) -> Self {
        let policy = Policy {
            rules: Rules::default(),
            redacted: Vec::new(),
            allowed: Vec::new(),
            bytes_max: BYTES_MAX,
        };
        Self {
            path: path.to_owned(),
            mode,
            upstream: None,
            patience: PATIENCE,
            http: None,
            policy,
            pace: Pace::default(),
        }
    }

    /// The provider to record from, such as `https://api.openai.com`. The paths of the calls go
    /// below its own.
    pub fn upstream(mut self, url: impl Into<String>) -> Self {
        self.upstream = Some(url.into());
        self
    }

    /// What to do with calls, unless `ALULA_CASSETTE` says otherwise.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Calls the provider by this pool of connections, which may go through a proxy.
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// How long the provider may be silent while it is recorded; 60 s. An answer that stops for
    /// longer is recorded as one that stops for ever.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Leaves what is at this JSON pointer in the body of a request out of the comparison.
    ///
    /// A `*` in it stands for every item or field: `/messages/*/id`.
    pub fn ignore(mut self, pointer: impl Into<String>) -> Self {
        self.policy.rules.ignored.push(pointer.into());
        self
    }

    /// Leaves a header of requests out of the comparison.
    pub fn ignore_header(mut self, name: impl AsRef<str>) -> Self {
        self.policy.rules.ignored_headers.push(name.as_ref().to_ascii_lowercase());
        self
    }

    /// Writes `***` in place of what is at this JSON pointer, wherever else it occurs too.
    ///
    /// The pointer is looked up in requests, in answers and in each event of a stream, and may
    /// have a `*`. What a call has there is masked before it is compared, and `***` in a recording
    /// is the same as any text.
    ///
    /// Spellings do not matter. A recording is refused if a value can still be read in it, cut
    /// in pieces by the events of a stream, unless it is [allowed](Self::allow).
    pub fn redact(mut self, pointer: impl Into<String>) -> Self {
        self.policy.redacted.push(pointer.into());
        self
    }

    /// Says of a value that it looks like a secret and is none. The cassette names it.
    pub fn allow(mut self, value: impl Into<String>) -> Self {
        self.policy.allowed.push(value.into());
        self
    }

    /// The largest file that is written or read; 64 KiB. An answer may have 16 MiB, most of which
    /// is media then, or as many as this.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.policy.bytes_max = bytes;
        self
    }

    /// Writes pictures, sounds and files as they are, in place of [what tells one from
    /// another](Cassette#pictures-sounds-and-files).
    pub fn keep_media(mut self) -> Self {
        self.policy.rules.media.are_kept = true;
        self
    }

    /// How fast answers are replayed: 1 is as they were recorded, 2 twice as fast, and 0, the
    /// default, at once.
    pub fn speed(mut self, speed: f64) -> Self {
        self.pace.speed = speed;
        self
    }

    /// Replays each byte of an answer as a piece of its own: the same bytes, cut in the hardest
    /// way.
    pub fn split_every_byte(mut self) -> Self {
        self.pace.every_byte = true;
        self
    }

    /// Reads the cassette and starts to listen.
    ///
    /// # Errors
    ///
    /// [`CassetteError`] when the file cannot be read, or a setting cannot be used.
    pub async fn start(self) -> Result<Cassette, CassetteError> {
        let pointers = self.policy.rules.ignored.iter().chain(&self.policy.redacted);
        if let Some(pointer) = pointers.into_iter().find(|it| !it.starts_with('/')) {
            return Err(CassetteError::Pointer(pointer.clone()));
        }
        // Without a provider there is nothing that the environment could ask for.
        let mode = match self.upstream {
            Some(_) => self.mode.or_of_environment()?,
            None => Mode::Replay,
        };
        let upstream = match &self.upstream {
            Some(url) if mode.calls() => Some(Arc::new(self.upstream_at(url)?)),
            _ => None,
        };
        if upstream.is_some() && mode != Mode::Verify && is_yaml(&self.path) {
            return Err(CassetteError::Yaml(self.path));
        }
        let tape = Tape::open(&self.path, mode, self.policy)?;
        let inner = Arc::new(Inner {
            tape: Arc::new(Mutex::new(tape)),
            upstream,
            mode,
            pace: self.pace,
            recordings: Mutex::new(JoinSet::new()),
        });
        let of_server = Arc::clone(&inner);
        let server = Server::start(move |request| answer(Arc::clone(&of_server), request));
        let server = server.await.map_err(CassetteError::Port)?;
        let url = base_url(&server.url()).map_err(CassetteError::Upstream)?;
        let http = Http::to_stand_in(url);
        Ok(Cassette { server, http, inner, finished: false })
    }

    fn upstream_at(&self, url: &str) -> Result<Upstream, CassetteError> {
        let url = base_url(url).map_err(CassetteError::Upstream)?;
        let http = self.http.clone().unwrap_or_default();
        let client = http.client().map_err(CassetteError::Upstream)?.clone();
        Ok(Upstream { client, url, patience: self.patience })
    }
}

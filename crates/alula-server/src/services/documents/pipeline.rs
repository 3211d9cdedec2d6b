//! The job that makes a document fit to be found.

use std::time::Duration;

use alula::{HttpError, otel::traced_attempt};
use alula_jobs::{Backoff, Failure, Handler, JobContext, JobId, NewJob, Step};
use alula_rag::{EntryRef, Scope};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use super::{Documents, ends};
use crate::{
    db::{DbError, documents::Found},
    logging::REQUEST,
    services::{admission::Calls, jobs::Outcome, keys::Keys},
};

/// The queue of what computes, and that of what waits for a model and a database.
const QUEUE: &str = "documents";
const VECTORS: &str = "documents-vectors";
/// Where the job of a document may be, in the order in which it is there.
pub(crate) const QUEUES: [&str; 2] = [QUEUE, VECTORS];
/// The queue of jobs that nobody has asked for, which give other vectors to what is ready.
const RENEWALS: &str = "documents-renewals";

/// The names of the steps, and of giving other vectors to a document that is ready.
const EXTRACT: &str = "document-extract.v1";
const CHUNK: &str = "document-chunk.v1";
const EMBED: &str = "document-embed.v1";
const INDEX: &str = "document-index.v1";
const RENEW: &str = "document-renew.v1";

/// What lists of jobs say.
const LABEL: &str = "/documents";
/// The first pause before another attempt; each one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long after a job was enqueued it gives up waiting for what is away.
const AWAY_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a job is about, as the arguments of its steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) owner: String,
    pub(super) collection: String,
    pub(super) document: String,
    /// The request that asked for it, for the log and the provider.
    pub(super) request_id: String,
    /// What its chunks are, once there are some.
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) chunks: u32,
    /// Who has made their vectors.
    #[serde(default)]
    pub(super) model: Option<String>,
}

impl Work {
    pub(super) fn new(owner: &str, collection: &str, document: &str, request_id: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            collection: collection.to_owned(),
            document: document.to_owned(),
            request_id: request_id.to_owned(),
            version: String::new(),
            chunks: 0,
            model: None,
        }
    }

    /// Where its chunks are.
    pub(super) fn at(&self) -> EntryRef<'_> {
        Scope::new(&self.owner, &self.collection).entry(&self.document)
    }

    pub(super) fn into_job(self, id: JobId, attempts_max: u32) -> serde_json::Result<NewJob> {
        let step =
            |name: &str, queue: &str| Step::new(name).queue(queue).max_attempts(attempts_max);
        let context =
            ends::Context { collection: self.collection.clone(), document: self.document.clone() };
        // What has begun goes on before more begins: the first documents are ready while others wait.
        NewJob::new(step(EXTRACT, QUEUE), &self)?
            .then(step(CHUNK, QUEUE).priority(1))
            .then(step(EMBED, VECTORS).priority(2))
            .then(step(INDEX, VECTORS).priority(3))
            .with_id(id)
            .label(LABEL)
            .owner(&self.owner)
            .on_end(ends::step(), &context)
    }

    /// A job that gives it other vectors. It is not there twice.
    pub(super) fn into_renewal(self, attempts_max: u32) -> serde_json::Result<NewJob> {
        let step = Step::new(RENEW).queue(RENEWALS).max_attempts(attempts_max);
        let unique = format!("{RENEW} {}/{}/{}", self.owner, self.collection, self.document);
        Ok(NewJob::new(step, &self)?.label(LABEL).owner(&self.owner).unique(unique))
    }
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum StepError {
    /// Another attempt would be in vain: a code and words.
    Permanent(&'static str, String),
    /// Another attempt may help, after so long.
    Temporary(String, Duration),
    /// Something is away that is needed, which is nobody's fault: it is waited for, for a day.
    Away(String, Duration),
    /// It was no attempt, and begins anew after so long.
    Later(Duration),
}

impl StepError {
    pub(super) fn permanent(code: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Permanent(code, error.to_string())
    }

    pub(super) fn temporary(error: impl std::fmt::Display) -> Self {
        Self::Temporary(error.to_string(), Duration::ZERO)
    }
}

impl From<DbError> for StepError {
    fn from(error: DbError) -> Self {
        Self::temporary(error)
    }
}

impl From<super::ObjectError> for StepError {
    fn from(error: super::ObjectError) -> Self {
        use super::ObjectError::{Missing, TooLarge};
        match error {
            Missing(_) => Self::temporary("the bytes of the document are not there"),
            TooLarge { .. } => Self::permanent("too_large", error),
            error => Self::Away(error.to_string(), Duration::ZERO),
        }
    }
}

impl From<alula_rag::StoreError> for StepError {
    fn from(error: alula_rag::StoreError) -> Self {
        use alula_rag::StoreError::{Closed, Invalid, NoEntry};
        match error {
            NoEntry(_) => Self::permanent("removed", "the document was removed"),
            Invalid(_) => Self::permanent("not_kept", error),
            Closed => Self::Later(PAUSE),
            error if error.is_temporary() => Self::Away(error.to_string(), Duration::ZERO),
            error => Self::temporary(error),
        }
    }
}

impl From<tokio::task::JoinError> for StepError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::temporary(error)
    }
}

/// A step of the job, or the only one of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Extract,
    Chunk,
    Embed,
    Index,
    Renew,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Extract, Self::Chunk, Self::Embed, Self::Index, Self::Renew];

    fn name(self) -> &'static str {
        match self {
            Self::Extract => EXTRACT,
            Self::Chunk => CHUNK,
            Self::Embed => EMBED,
            Self::Index => INDEX,
            Self::Renew => RENEW,
        }
    }

    fn queue(self) -> &'static str {
        match self {
            Self::Extract | Self::Chunk => QUEUE,
            Self::Embed | Self::Index => VECTORS,
            Self::Renew => RENEWALS,
        }
    }
}

/// What a step gives.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Given {
    /// To the next one.
    Work(Work),
    /// To whoever asked for it.
    Outcome(Outcome),
}

/// What workers make documents fit to be found with. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Indexing {
    pub(crate) documents: Documents,
    pub(crate) calls: Calls,
    pub(crate) keys: Keys,
}

impl Indexing {
    /// What does the steps, and what notes how they ended.
    pub(crate) fn handlers(&self, timeout: Duration) -> Vec<Handler> {
        let handler = |stage: Stage| {
            let it = self.clone();
            let handler = Handler::new(stage.name(), move |work: Work, job: JobContext| {
                let it = it.clone();
                async move {
                    let (request_id, document) = (work.request_id.clone(), work.document.clone());
                    let job_id = job.id();
                    let span =
                        tracing::info_span!(target: REQUEST, "job", request_id, %job_id, document);
                    traced_attempt(&job, it.step(stage, work, &job).instrument(span)).await
                }
            });
            handler.queue(stage.queue()).timeout(timeout).backoff(Backoff::new(PAUSE, PAUSE_MAX))
        };
        Stage::ALL.map(handler).into_iter().chain([self.documents.end_handler()]).collect()
    }

    /// How many jobs of each queue are done at a time.
    pub(crate) fn concurrency(&self) -> [(&'static str, u32); 4] {
        let settings = self.documents.settings();
        let computing = u32::try_from(settings.extractions_max).unwrap_or(u32::MAX);
        let vectors = settings.embeddings_max;
        [
            (QUEUE, computing),
            (VECTORS, vectors),
            // They are in no hurry.
            (RENEWALS, vectors.div_ceil(4)),
            (ends::QUEUE, ends::RUNNING_MAX),
        ]
    }

    async fn step(&self, stage: Stage, mut work: Work, job: &JobContext) -> Result<Given, Failure> {
        let done = self.done(stage, &mut work, job).await;
        match done {
            Ok(None) => Ok(Given::Work(work)),
            Ok(Some(outcome)) => Ok(Given::Outcome(outcome)),
            Err(error) => {
                Err(self.documents.failure(error, stage == Stage::Renew, &work, job).await)
            }
        }
    }

    async fn done(
        &self,
        stage: Stage,
        work: &mut Work,
        job: &JobContext,
    ) -> Result<Option<Outcome>, StepError> {
        if stage == Stage::Renew {
            return self.renew(work, job).await.map(Some);
        }
        let found = self.documents.begin(work, job).await?;
        match stage {
            Stage::Extract => self.documents.extract(&found).await?,
            Stage::Chunk => self.documents.chunk(&found, work, job).await?,
            Stage::Embed => self.embed(work, job).await?,
            Stage::Index | Stage::Renew => {
                return self.documents.publish(&found, work, job).await.map(Some);
            }
        }
        Ok(None)
    }
}

impl Documents {
    /// Notes that a job is at its document.
    async fn begin(&self, work: &Work, job: &JobContext) -> Result<Found, StepError> {
        let Work { owner, collection, document, .. } = work;
        let job = job.id().to_string();
        let found = self.0.db.document_step(owner, collection, document, &job).await?;
        found.ok_or_else(|| {
            StepError::permanent("removed", "the document was removed, or another job is for it")
        })
    }

    /// What the queue is told of a step that did not succeed. If that is the end, the document says
    /// why.
    async fn failure(
        &self,
        error: StepError,
        is_renewal: bool,
        work: &Work,
        job: &JobContext,
    ) -> Failure {
        let age = job.clock().now() - job.created_at();
        let (code, text) = match error {
            StepError::Later(pause) => return Failure::later(pause),
            StepError::Away(text, pause) if age < AWAY_MAX => {
                // The longer it takes, the less often it is asked.
                let pause = pause.max((age / 4).clamp(PAUSE, PAUSE_MAX));
                tracing::info!(document = work.document, ?pause, "a document waits: {text}");
                return Failure::later(pause);
            }
            StepError::Away(text, _) => ("gave_up", text),
            StepError::Temporary(text, _) if job.attempt() >= job.max_attempts() => {
                ("gave_up", text)
            }
            StepError::Temporary(text, pause) => return Failure::new(text).after(pause),
            StepError::Permanent(code, text) => (code, text),
        };
        if is_renewal {
            return Failure::terminal(text);
        }
        let Work { collection, document, .. } = work;
        // Not every database keeps it.
        let text = text.replace('\0', "\u{fffd}");
        let (db, id) = (&self.0.db, job.id().to_string());
        let noted = async {
            db.document_fails(collection, document, &id, (code, &text)).await?;
            db.document_has_failed(collection, document, &id, (code, &text)).await
        };
        if let Err(error) = noted.await {
            return Failure::from(error);
        }
        let http = HttpError::new(422, text.clone()).code(code);
        let body = serde_json::json!({ "detail": text, "code": code });
        let told = Failure::terminal(text).result(&Outcome::failed(&http, &body));
        told.unwrap_or_else(Failure::from)
    }
}

/// What of its job a document is at, in a word.
pub(super) fn step_name(name: &str) -> &'static str {
    match name {
        EXTRACT => "extract",
        CHUNK => "chunk",
        EMBED => "embed",
        _ => "index",
    }
}

//! Telling the end of a job to its callback, by a job of its own.

use std::time::Duration;

use alula::Validate;
use alula_jobs::{
    Ended, Failure, Handler, Job, JobContext, JobId, JobState, JobSummary, NewBatch, NewJob, Queue,
    Step,
    webhook::{
        ClientError, Delivery, IpNet, Schedule, SigningSecret, Webhook, WebhookClient, WebhookUrl,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    batches::{self, BatchCounts, BatchStatus},
    view::{Told, outcome, url},
};
use crate::time::Timestamp;

/// The queue of webhooks, and the names of their handlers: one writes the message while its job is
/// there, the other sends it for days.
pub(super) const QUEUE: &str = "webhooks";
const WRITE: &str = "webhook-write.v1";
const SEND: &str = "webhook-send.v1";
/// How long it takes until a database is asked again that is away.
const AWAY: Duration = Duration::from_secs(5);
/// How long is waited after the last interval of the specification.
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);

/// How many times a receiver is asked, by default: those of Standard Webhooks, in 75 hours.
const ATTEMPTS_MAX: usize = 10;

/// How long an attempt may take, by default: the least that Standard Webhooks advise.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How many attempts may be on their way at once, by default.
const CONCURRENT_MAX: usize = 32;

/// What the environment says of webhooks.
#[derive(Debug, Clone)]
pub(crate) struct WebhookSettings {
    /// What they are signed with; without a secret there are none.
    pub(crate) secrets: Vec<SigningSecret>,
    /// Networks that may be called though they are not public.
    pub(crate) allowed: Vec<IpNet>,
    /// How many times a receiver is asked.
    pub(crate) attempts_max: usize,
    /// How long an attempt may take.
    pub(crate) timeout: Duration,
    /// How many attempts may be on their way at once.
    pub(crate) concurrent_max: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            allowed: Vec::new(),
            attempts_max: ATTEMPTS_MAX,
            timeout: TIMEOUT,
            concurrent_max: CONCURRENT_MAX,
        }
    }
}

/// Sends webhooks. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Webhooks {
    client: WebhookClient,
    schedule: Schedule,
    attempts_max: u32,
    concurrent_max: u32,
    timeout: Duration,
}

/// What a callback gets.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct JobEnded {
    /// `job.succeeded`, `job.failed` or `job.cancelled`.
    r#type: String,
    /// When it ended.
    timestamp: String,
    /// Which job.
    data: EndedJob,
}

/// A job that has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct EndedJob {
    /// Its name.
    job_id: String,
    /// Where its answer is found, on the server that was asked.
    url: String,
    /// `succeeded`, `failed` or `cancelled`.
    status: String,
    /// The status that the plain call would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
}

/// What the callback of a batch gets.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct BatchEnded {
    /// `batch.completed` or `batch.cancelled`.
    r#type: String,
    /// When it ended.
    timestamp: String,
    /// Which batch.
    data: EndedBatch,
}

/// A batch that has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct EndedBatch {
    /// Its name.
    batch_id: String,
    /// Where it is found, on the server that was asked.
    url: String,
    /// Where it is.
    status: BatchStatus,
    /// How many of its requests have ended how.
    counts: BatchCounts,
}

impl Webhooks {
    /// Nothing without a secret.
    pub(super) fn new(settings: &WebhookSettings) -> Result<Option<Self>, ClientError> {
        let WebhookSettings { secrets, allowed, attempts_max, timeout, concurrent_max } = settings;
        if secrets.is_empty() {
            return Ok(None);
        }
        let client = WebhookClient::builder(secrets.iter().cloned())
            .allow_private(allowed.iter().copied())
            .timeout(*timeout)
            .concurrent_max(*concurrent_max)
            .build()?;
        Ok(Some(Self {
            client,
            schedule: Schedule::default().attempts(*attempts_max),
            attempts_max: u32::try_from(*attempts_max).unwrap_or(u32::MAX),
            concurrent_max: u32::try_from(*concurrent_max).unwrap_or(u32::MAX),
            timeout: *timeout,
        }))
    }

    /// Reads an address that a client wrote.
    pub(super) fn parse(&self, text: &str) -> Result<WebhookUrl, String> {
        self.client.parse_url(text).map_err(|error| error.to_string())
    }

    /// Has the end of a job told.
    pub(super) fn announce(&self, job: NewJob, url: &WebhookUrl) -> serde_json::Result<NewJob> {
        let job = job.on_end(Step::new(WRITE).queue(QUEUE), &url.as_str())?;
        Ok(job.on_end_then(Step::new(SEND).queue(QUEUE).max_attempts(self.attempts_max)))
    }

    /// How many are on their way at once.
    pub(super) fn concurrent_max(&self) -> u32 {
        self.concurrent_max
    }

    /// Has the end of a batch told.
    pub(super) fn announce_batch(
        &self,
        batch: NewBatch,
        url: &WebhookUrl,
    ) -> serde_json::Result<NewBatch> {
        let batch = batch.on_end(Step::new(WRITE).queue(QUEUE), &url.as_str())?;
        Ok(batch.on_end_then(Step::new(SEND).queue(QUEUE).max_attempts(self.attempts_max)))
    }

    /// A job that sends a message of the end of another one. Of the same `id` it is the same job.
    pub(super) fn message(
        &self,
        id: &str,
        url: &str,
        ended: &Ended,
        body: &impl Serialize,
    ) -> serde_json::Result<NewJob> {
        let message = Message {
            ended: Ended { context: to_raw_value(url)?, ..ended.clone() },
            body: Some(to_raw_value(body)?),
        };
        let step = Step::new(SEND).queue(QUEUE).max_attempts(self.attempts_max);
        let id = JobId::derived(ended.job.moment(), id.as_bytes());
        Ok(NewJob::new(step, &message)?.with_id(id))
    }

    /// What does the jobs that tell ends.
    pub(super) fn handlers(&self) -> [Handler; 2] {
        let write = Handler::new(WRITE, async |ended: Ended, job: JobContext| {
            let told = job.queue().get(ended.job).await.map_err(|_| Failure::later(AWAY))?;
            // It began again: this end is of no interest any more.
            let told = told.filter(|told| told.token == ended.token);
            let body = match told {
                None => None,
                Some(told) if told.step.queue == batches::QUEUE => {
                    let counts = batches::counts(job.queue(), told.id).await?;
                    Some(to_raw_value(&BatchEnded::of(&told, (&counts).into()))?)
                }
                Some(told) => Some(to_raw_value(&JobEnded::of(&told, &ended))?),
            };
            Ok::<_, Failure>(Message { ended, body })
        });
        let webhooks = self.clone();
        let send = Handler::new(SEND, move |message: Message, job: JobContext| {
            let webhooks = webhooks.clone();
            async move { webhooks.send(message, &job).await }
        });
        let send = send.max_attempts(self.attempts_max);
        // Its client has a limit of its own, and may wait for a place.
        [write.queue(QUEUE), send.queue(QUEUE).timeout(self.timeout.saturating_mul(4))]
    }

    /// Sends a message once.
    async fn send(&self, message: Message, job: &JobContext) -> Result<(), Failure> {
        let Message { ended, body: Some(body) } = message else { return Ok(()) };
        let told = job.queue().summary(ended.job).await.map_err(|_| Failure::later(AWAY))?;
        if told.is_some_and(|told| told.token != ended.token) {
            return Ok(());
        }
        let callback: String = serde_json::from_str(ended.context.get())?;
        let url = self.parse(&callback).map_err(Failure::terminal)?;
        // The same at each attempt.
        let webhook = Webhook::new(format!("msg_{}", job.id()), url, body.get().to_owned());
        match webhook.map_err(Failure::terminal)?.deliver(&self.client).await {
            Delivery::Delivered { .. } => Ok(()),
            Delivery::Gone => Err(Failure::terminal("nobody wants to be told any more")),
            Delivery::Refused { reason } => Err(Failure::terminal(reason)),
            Delivery::Failed { reason, retry_after } => {
                let attempts = usize::try_from(job.attempt()).unwrap_or(usize::MAX);
                let wait = self.schedule.wait(attempts, retry_after).unwrap_or(INTERVAL_MAX);
                Err(Failure::new(reason).after(wait))
            }
        }
    }
}

/// What is to be sent; nothing if the job has begun again.
#[derive(Serialize, Deserialize)]
struct Message {
    ended: Ended,
    body: Option<Box<RawValue>>,
}

/// What has become of telling the end of a job; nothing if nobody wanted to be told.
pub(super) async fn told(queue: &Queue, job: &JobSummary) -> Option<Told> {
    let telling = queue.summary(job.follower?).await.ok()??;
    Some(match telling.state {
        JobState::Succeeded => Told::Delivered,
        JobState::Failed | JobState::Cancelled => Told::Failed,
        _ => Told::Pending,
    })
}

impl JobEnded {
    fn of(job: &Job, ended: &Ended) -> Self {
        let status = ended.state.as_str();
        Self {
            r#type: format!("job.{status}"),
            timestamp: finished_at(job),
            data: EndedJob {
                job_id: job.id.to_string(),
                url: url(job.id),
                status: status.to_owned(),
                http_status: outcome(job).map(|outcome| outcome.status()),
            },
        }
    }
}

impl BatchEnded {
    fn of(batch: &JobSummary, counts: BatchCounts) -> Self {
        let status = BatchStatus::of(batch.state);
        Self {
            r#type: format!("batch.{}", status.as_str()),
            timestamp: finished_at(batch),
            data: EndedBatch {
                batch_id: batch.id.to_string(),
                url: batches::url(batch.id),
                status,
                counts,
            },
        }
    }
}

fn finished_at(job: &JobSummary) -> String {
    let finished = job.finished_at.map_or(0, |moment| moment.as_millis());
    Timestamp::from_millis(finished).to_string()
}

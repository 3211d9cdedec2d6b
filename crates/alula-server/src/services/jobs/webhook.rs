//! Telling the end of a job to its callback.

use std::time::Duration;

use alula::Validate;
use alula_jobs::webhook::{
    ClientError, Delivery, IpNet, Schedule, SigningSecret, Webhook, WebhookClient, WebhookUrl,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    JobId,
    job::{Job, State, Told},
};
use crate::time::Timestamp;

/// How many times a receiver is asked, by default: after that, half an hour has passed, and a
/// longer wait is nothing for a process that forgets it when it ends.
const ATTEMPTS_MAX: usize = 4;

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

/// Sends webhooks.
#[derive(Debug)]
pub(super) struct Webhooks {
    client: WebhookClient,
    schedule: Schedule,
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
        let schedule = Schedule::default().attempts(*attempts_max);
        Ok(Some(Self { client, schedule }))
    }

    /// Reads an address that a client wrote.
    pub(super) fn parse(&self, text: &str) -> Result<WebhookUrl, String> {
        self.client.parse_url(text).map_err(|error| error.to_string())
    }

    /// Tells an end until it is taken or given up, or `stop` is ready. Who hears that it was not
    /// taken may hold this for long, so it holds nothing of the job.
    pub(super) async fn tell(&self, end: End, stop: impl Future<Output = ()>) -> Told {
        let End { id, webhook, .. } = &end;
        let note = |attempt: usize, delivery: &Delivery| match delivery {
            Delivery::Delivered { status } => {
                tracing::debug!(job_id = %id, attempt, status, "told");
            }
            Delivery::Gone => {
                tracing::info!(job_id = %id, attempt, "nobody wants to be told of the job");
            }
            Delivery::Refused { reason } | Delivery::Failed { reason, .. } => {
                tracing::warn!(job_id = %id, attempt, reason, "the end of a job was not taken");
            }
        };
        match webhook.send(&self.client, &self.schedule, stop, note).await {
            Some(Delivery::Delivered { .. }) => Told::Delivered,
            _ => Told::Failed,
        }
    }
}

/// The end of a run, to be told.
pub(super) struct End {
    pub(super) id: JobId,
    pub(super) run: u32,
    webhook: Webhook,
    /// Ends when the job is forgotten.
    states: watch::Receiver<State>,
}

impl End {
    /// Nothing if nobody wants to be told.
    pub(super) fn of(job: &Job, state: &State) -> Option<Self> {
        let url = job.callback.clone()?;
        let status = state.status.as_str();
        let ended = JobEnded {
            r#type: format!("job.{status}"),
            timestamp: state.finished.unwrap_or_else(Timestamp::now).to_string(),
            data: EndedJob {
                job_id: job.id.to_string(),
                url: job.url(),
                status: status.to_owned(),
                http_status: state.outcome.as_ref().map(|outcome| outcome.status()),
            },
        };
        let body = serde_json::to_vec(&ended).ok()?;
        let webhook = Webhook::new(format!("msg_{}_{}", job.id, state.run), url, body).ok()?;
        Some(Self { id: job.id, run: state.run, webhook, states: job.watch() })
    }

    /// Waits until it is of no interest any more: the job was begun again, or is forgotten.
    pub(super) fn outdated(&self) -> impl Future<Output = ()> + use<> {
        let (mut states, run) = (self.states.clone(), self.run);
        async move {
            let _ = states.wait_for(|state| state.run != run).await;
        }
    }
}

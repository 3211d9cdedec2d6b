//! How a batch is taken.

use alula::{Detail, HttpError, Result, Validate};
use alula_jobs::{NewBatch, webhook::WebhookUrl};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::AcceptedBatch;
use crate::services::{
    admission::Caller,
    chat::ChatRequest,
    jobs::{Jobs, Work, prefer::wrong_callback_at, store::failed, wrong_callback},
};

/// The queue that batches are found in. They only wait there.
pub(in crate::services::jobs) const QUEUE: &str = "batches";
/// Whoever waits for one answer goes before all that is asked in batches.
const PRIORITY: i16 = -1;

/// Questions to be answered later.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct LargeBatch {
    /// The questions, each as for `POST /chat`.
    #[schemars(length(min = 1))]
    requests: Vec<ChatRequest>,
    /// Where to send a webhook when all have ended.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    callback_url: Option<String>,
}

impl Jobs {
    /// Takes a batch, all of which is kept when this returns.
    ///
    /// # Errors
    ///
    /// 422 for one that is too large or whose callback cannot be called, 429 where its key would
    /// have too many jobs by it, and 503 where too many would wait or the database is away.
    pub(crate) async fn submit_batch(
        &self,
        caller: &Caller,
        batch: LargeBatch,
    ) -> Result<AcceptedBatch> {
        let LargeBatch { requests, callback_url } = batch;
        self.check_requests(caller, &requests)?;
        let callback = callback_url.map(|url| {
            let read = self.callback(&url);
            read.map_err(|why| wrong_callback(&url, &why))
        });
        let callback = callback.transpose()?;
        let total = requests.len() as u64;
        self.check_room(caller, total).await?;
        let (jobs, caller) = (self.clone(), caller.clone());
        // Thousands of them are made for longer than others should wait.
        let making =
            tokio::task::spawn_blocking(move || jobs.new_batch(&caller, requests, callback));
        let batch = making.await.map_err(|error| HttpError::internal(error.to_string()))??;
        let id = self.0.queue.batch(batch).await.map_err(failed)?;
        Ok(AcceptedBatch::new(id, total, self.0.is_durable))
    }

    /// How many bytes a batch may have.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        self.0.limits.batches.bytes_max
    }

    fn check_requests(&self, caller: &Caller, requests: &[ChatRequest]) -> Result<()> {
        let limits = &self.0.limits;
        // More would find no room, however often it is tried.
        let room = caller.key().map_or(limits.queued_max, |_| limits.per_key_max);
        let max = limits.batches.requests_max.min(limits.queued_max).min(room);
        let count = requests.len();
        if count > max {
            return Err(HttpError::validation(vec![Detail {
                kind: "too_long".into(),
                loc: vec!["body".into(), "requests".into()],
                msg: format!("List should have at most {max} items after validation, not {count}"),
                input: count.into(),
                ctx: Some(
                    json!({ "field_type": "List", "max_length": max, "actual_length": count }),
                ),
            }]));
        }
        requests.iter().try_for_each(|request| request.check_tools(caller))?;
        let urls = requests.iter().map(ChatRequest::callback_url);
        match urls.enumerate().find_map(|(index, url)| Some((index, url?))) {
            Some((index, url)) => Err(wrong_callback_at(
                vec!["body".into(), "requests".into(), index.into(), "callback_url".into()],
                url,
                "only the batch as a whole has one",
            )),
            None => Ok(()),
        }
    }

    fn new_batch(
        &self,
        caller: &Caller,
        requests: Vec<ChatRequest>,
        callback: Option<WebhookUrl>,
    ) -> Result<NewBatch> {
        let attempts_max = self.0.limits.batches.attempts_max;
        let children = requests.into_iter().map(|request| {
            let work = Work::Chat(Box::new(request));
            Ok(work.into_job(caller, attempts_max)?.priority(PRIORITY))
        });
        let children = children.collect::<Result<Vec<_>>>()?;
        let batch = NewBatch::new(children).with_id(caller.new_job_id());
        let batch = batch.queue(QUEUE).owner(caller.owner());
        Ok(match self.0.webhooks.as_ref().zip(callback) {
            Some((webhooks, url)) => webhooks.announce_batch(batch, &url)?,
            None => batch,
        })
    }
}

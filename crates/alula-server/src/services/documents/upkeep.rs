//! What is put right from time to time, whoever has left it so.

use std::time::{Duration, Instant};

use alula_jobs::JobId;
use tokio::time::sleep;

use super::{CLAIM, Documents, Refusal, pipeline::Work, receive::after};
use crate::{services::models::Models, time::Timestamp};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(20);
/// How long nothing is heard of a document until it is asked whether its job is there.
const SILENT_MILLIS: i64 = 60_000;
/// How often files are looked for that nobody writes any more.
const SWEEP: Duration = Duration::from_secs(600);
/// How long nothing was added to these.
const UNTOUCHED: Duration = Duration::from_secs(3600);
/// How many documents are looked at each time, for each reason.
const DOCUMENTS_MAX: i64 = 200;
/// How many pieces of chunks are removed each time.
const PIECES_MAX: u32 = 64;
/// How many documents are looked through each time for vectors of another model, and how many of one
/// owner are given others at most.
const RENEWED_MAX: u32 = 500;
const OF_OWNER_MAX: usize = 50;
/// How long after it was tried for the first time a document may be given other vectors again; it
/// becomes longer each time.
const RENEW_AGAIN_MILLIS: i64 = 3_600_000;

impl Documents {
    /// Looks after all documents, for ever. Any number of processes may do so.
    pub(crate) async fn watch(self, models: Models) {
        let (mut swept, mut cursor) = (None::<Instant>, None);
        // Processes that start together do not look together.
        sleep(INTERVAL.mul_f64(fastrand::f64())).await;
        loop {
            self.look(&models, &mut cursor).await;
            if swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
                swept = Some(Instant::now());
                match self.0.storage.sweep(&self.0.db, UNTOUCHED).await {
                    Ok(0) => {}
                    Ok(files) => tracing::info!(files, "removed what was never written to its end"),
                    Err(error) => tracing::warn!(%error, "the folder of files cannot be swept"),
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// Looks once.
    async fn look(&self, models: &Models, cursor: &mut Option<i64>) {
        let told = |what: &str, done: Result<(), Refusal>| {
            if let Err(error) = done {
                tracing::warn!(%error, "{what} cannot be looked after now");
            }
        };
        told("documents that are gone", self.put_away().await);
        told("documents whose time is over", self.expire().await);
        told("documents of which nothing is heard", self.ask_after_jobs().await);
        told("chunks that nobody needs", self.sweep_chunks().await);
        told("documents with vectors of another model", self.renew_vectors(models, cursor).await);
    }

    /// Removes for good what was removed, and what never came.
    async fn put_away(&self) -> Result<(), Refusal> {
        let mut last = Ok(());
        for due in self.0.db.due_documents(DOCUMENTS_MAX).await? {
            // One that cannot be removed is in nobody's way.
            last = self.put_one_away(&due.owner, &due.id).await.and(last);
        }
        last
    }

    async fn put_one_away(&self, owner: &str, id: &str) -> Result<(), Refusal> {
        let claimed = self.0.db.claim_document(id, after(CLAIM)).await?;
        let Some(generation) = claimed else { return Ok(()) };
        self.clear(owner, id, generation).await?;
        Ok(self.0.db.forget_document(id).await?)
    }

    async fn expire(&self) -> Result<(), Refusal> {
        let mut last = Ok(());
        for (owner, id) in self.0.db.expired_documents(DOCUMENTS_MAX).await? {
            last = self.remove(&owner, &id).await.map(drop).and(last);
        }
        last
    }

    /// A document that is processed has a job that goes on, or gets one.
    async fn ask_after_jobs(&self) -> Result<(), Refusal> {
        let before = Timestamp::now().as_millis().saturating_sub(SILENT_MILLIS);
        let silent = self.0.db.silent_documents(Timestamp::from_millis(before), DOCUMENTS_MAX);
        for (owner, collection, document, job) in silent.await? {
            self.has_ended(&owner, &collection, &document, &job, &job).await?;
        }
        Ok(())
    }

    async fn sweep_chunks(&self) -> Result<(), Refusal> {
        self.0.retrieval.store().sweep(PIECES_MAX).await?;
        Ok(())
    }

    /// Has documents given vectors that have none of the model that is asked now. Of one owner only
    /// some at a time, so that whoever cannot pay for it is in nobody's way.
    async fn renew_vectors(
        &self,
        models: &Models,
        cursor: &mut Option<i64>,
    ) -> Result<(), Refusal> {
        let retrieval = &self.0.retrieval;
        let Some(model) = retrieval.model_name(&models.current()) else { return Ok(()) };
        let page = retrieval.store().needs_embedding(&model, *cursor, RENEWED_MAX).await?;
        // Behind the last page it begins anew.
        *cursor = page.last().map(|last| last.cursor);
        let mut asked = std::collections::HashMap::<String, usize>::new();
        for entry in page {
            let of_owner = asked.entry(entry.tenant.clone()).or_default();
            if *of_owner >= OF_OWNER_MAX {
                continue;
            }
            let (owner, collection, id) = (&entry.tenant, &entry.collection, &entry.document);
            if !self.0.db.may_embed_document(owner, collection, id, RENEW_AGAIN_MILLIS).await? {
                continue;
            }
            *of_owner += 1;
            let mut work = Work::new(owner, collection, id, &JobId::new().to_string());
            (work.version, work.chunks) = (entry.version.clone(), entry.chunks);
            let job = work.into_renewal(self.0.jobs.attempts_max());
            let job = job.map_err(alula::HttpError::internal)?;
            self.0.jobs.queue().enqueue(job).await?;
        }
        Ok(())
    }
}

//! What is done in each step.

use std::time::Duration;

use alula::ApiError as _;
use alula_jobs::JobContext;
use alula_llm::model::Purpose;
use alula_rag::{
    Attributes, Chunk, Chunker, EmbedError, Embedder, ExtractError, Extracted, Kind, NewEntry,
    under_headings,
};
use serde::Deserialize;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    CHANGES_MAX, Documents, Indexing, names,
    pipeline::{StepError, Work},
    receive::kind_of,
};
use crate::{
    db::documents::Found,
    services::{
        admission::Caller,
        jobs::Outcome,
        keys,
        retrieval::{NotAdmitted, reason},
    },
};

/// How many chunks are kept or given vectors at a time.
const BATCH: usize = 64;
/// How long it takes until keys can be judged again, as long as the database is away.
const AWAY: Duration = Duration::from_secs(5);
/// How long a key may have to wait for its limits without that being an attempt.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long after a job was enqueued it gives up waiting for the limits of its key.
const LIMIT_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How much larger a text may be as JSON, with its pages and headings.
const JSON_FACTOR: u64 = 8;

/// How a document is cut, as OpenAI writes it.
#[derive(Debug, Deserialize)]
struct Chunking {
    max_chunk_size_tokens: u32,
    chunk_overlap_tokens: u32,
}

impl Documents {
    /// Takes the text out, unless that was done, and keeps it.
    pub(super) async fn extract(&self, found: &Found) -> Result<(), StepError> {
        let document = &found.document;
        let text = names::of_text(&document.id, document.generation);
        let objects = self.objects().await?;
        if document.characters.is_some() && objects.has(&text).await? {
            return Ok(());
        }
        let kind = kind_of(&document.kind).ok_or_else(|| {
            let read = Kind::ALL.map(Kind::label).join(", ");
            StepError::permanent("unsupported_type", format!("it is none of what is read: {read}"))
        })?;
        let file = objects.file(&names::of_bytes(&document.id)).await?;
        let extracted = match self.0.extractor.extract(kind, file).await {
            Ok(extracted) => extracted,
            Err(ExtractError::Unreadable(why)) => {
                return Err(StepError::permanent(why.code(), why));
            }
            Err(error) => return Err(StepError::temporary(error)),
        };
        let pages = extracted.pages.len();
        let pages = (pages > 0).then(|| i64::try_from(pages).unwrap_or(i64::MAX));
        let written = spawn_blocking(move || {
            let characters = extracted.text.chars().count();
            serde_json::to_vec(&extracted).map(|json| (characters, json))
        });
        let (characters, json) = written.await?.map_err(StepError::temporary)?;
        objects.put(&text, json.into()).await?;
        let characters = i64::try_from(characters).unwrap_or(i64::MAX);
        Ok(self.0.db.document_has_text(&document.id, pages, characters).await?)
    }

    /// The text that was taken out.
    async fn text(&self, found: &Found) -> Result<Extracted, StepError> {
        // Somebody may have asked for it anew since it was taken out.
        self.extract(found).await?;
        let document = &found.document;
        let name = names::of_text(&document.id, document.generation);
        let limit = self.0.settings.extraction.text_bytes_max.saturating_mul(JSON_FACTOR);
        let json = self.objects().await?.read(&name, limit).await?;
        let read = spawn_blocking(move || serde_json::from_slice(&json)).await?;
        read.map_err(|error| StepError::permanent("lost", format!("its text is damaged: {error}")))
    }

    /// Cuts the text, and keeps the chunks; those that are there already stay.
    pub(super) async fn chunk(
        &self,
        found: &Found,
        work: &mut Work,
        job: &JobContext,
    ) -> Result<(), StepError> {
        let extracted = self.text(found).await?;
        let (attributes, chunking) = wanted(found)?;
        let chunker = self.chunker(chunking.as_ref())?;
        work.version = format!(
            "{}.{}.{}",
            found.document.generation,
            chunker.tokens_max(),
            chunker.overlap_tokens()
        );
        let store = self.0.retrieval.store();
        // One that is found is found as it is until all of the next version is there.
        if store.entry(work.at()).await?.is_none_or(|entry| entry.version.is_none()) {
            store.put_entry(&entry(found, work, &attributes, chunking.as_ref())).await?;
        }
        let built = store.built(work.at(), &work.version, None).await?.chunks;
        let (sender, mut batches) = mpsc::channel(1);
        let cutting = spawn_blocking(move || cut(chunker, &extracted, built, &sender));
        while let Some(batch) = batches.recv().await {
            store.put_chunks(work.at(), &work.version, &batch).await?;
            let done = batch.last().map_or(0, |chunk| u64::from(chunk.ordinal) + 1);
            job.progress(done, None, "chunks");
        }
        work.chunks = cutting.await?;
        if work.chunks == 0 {
            return Err(StepError::permanent("encrypted_or_no_text", "the document has no text"));
        }
        let (chunks, id) = (i64::from(work.chunks), job.id().to_string());
        let noted = self.0.db.document_has_chunks(&work.collection, &work.document, &id, chunks);
        Ok(noted.await?)
    }

    fn chunker(&self, chunking: Option<&serde_json::Value>) -> Result<Chunker, StepError> {
        let Some(chunking) = chunking else { return Ok(self.0.settings.chunker) };
        let wrong = |error: &dyn std::fmt::Display| StepError::permanent("chunking", error);
        let Chunking { max_chunk_size_tokens, chunk_overlap_tokens } =
            Chunking::deserialize(chunking).map_err(|error| wrong(&error))?;
        Chunker::new(max_chunk_size_tokens, chunk_overlap_tokens).map_err(|error| wrong(&error))
    }

    /// Lets searches find it.
    pub(super) async fn publish(
        &self,
        found: &Found,
        work: &Work,
        job: &JobContext,
    ) -> Result<Outcome, StepError> {
        let (store, model) = (self.0.retrieval.store(), work.model.as_deref());
        let (attributes, chunking) = wanted(found)?;
        store.set_archived(work.at(), found.entry.is_archived).await?;
        let new = entry(found, work, &attributes, chunking.as_ref());
        store.publish_as(&new, &work.version, work.chunks, model).await?;
        self.put_changes(found, work).await?;
        let (chunks, id) = (i64::from(work.chunks), job.id().to_string());
        let embedded = if model.is_some() { chunks } else { 0 };
        let Work { collection, document, .. } = work;
        let noted = self.0.db.document_is_ready(collection, document, &id, (chunks, embedded));
        if !noted.await? {
            return Err(StepError::permanent("removed", "the document was removed"));
        }
        for generation in 1..found.document.generation {
            let before = names::of_text(document, generation);
            let removed = async { self.objects().await?.remove(&before).await };
            if let Err(error) = removed.await {
                tracing::warn!(%error, "a text that is not needed any more is still there");
            }
        }
        Ok(Outcome::json(&serde_json::json!({
            "document_id": document,
            "status": "ready",
            "chunks": chunks,
            "embedded": embedded,
        })))
    }

    /// What somebody has changed of it since it was looked at.
    async fn put_changes(&self, found: &Found, work: &Work) -> Result<(), StepError> {
        let store = self.0.retrieval.store();
        let mut written = found.clone();
        for _ in 0..CHANGES_MAX {
            let Work { owner, collection, document, .. } = work;
            let now = self.0.db.document_in(owner, collection, document).await?;
            let now = now.ok_or_else(|| StepError::permanent("removed", "it was removed"))?;
            let is_same = now.entry.wanted().0 == written.entry.wanted().0
                && now.entry.is_archived == written.entry.is_archived;
            if is_same {
                break;
            }
            store.set_attributes(work.at(), &wanted(&now)?.0).await?;
            store.set_archived(work.at(), now.entry.is_archived).await?;
            written = now;
        }
        Ok(())
    }
}

impl Indexing {
    /// Gives vectors to those chunks that have none, where there is a model for it.
    pub(super) async fn embed(&self, work: &mut Work, job: &JobContext) -> Result<(), StepError> {
        let Some((caller, embedder)) = self.embedder(work, job).await? else {
            work.model = None;
            return Ok(());
        };
        let store = self.documents.0.retrieval.store();
        let model = embedder.model().to_owned();
        let total = u64::from(work.chunks);
        let mut done = store.built(work.at(), &work.version, Some(&model)).await?.vectors;
        while done < total {
            job.progress(done, total, "vectors");
            let from = u32::try_from(done).unwrap_or(u32::MAX);
            let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
            let chunks = store.chunks(work.at(), Some(&work.version), from, limit).await?;
            let texts: Vec<String> = chunks
                .iter()
                .map(|stored| under_headings(&stored.chunk.headings, &stored.chunk.text))
                .collect();
            if texts.is_empty() {
                return Err(StepError::temporary("some of its chunks are missing"));
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = embedder.embed(&texts, Purpose::Document).await;
            let vectors = vectors.map_err(|error| refused(error, &caller, job))?;
            store.put_vectors(work.at(), &work.version, &model, from, &vectors).await?;
            done += texts.len() as u64;
        }
        job.progress(total, total, "vectors");
        work.model = Some(model);
        Ok(())
    }

    /// Gives vectors of another model to a document that is ready.
    pub(super) async fn renew(
        &self,
        work: &mut Work,
        job: &JobContext,
    ) -> Result<Outcome, StepError> {
        let documents = &self.documents;
        self.embed(work, job).await?;
        let Some(model) = &work.model else {
            return Ok(Outcome::json(&serde_json::json!({ "embedded": 0 })));
        };
        let store = documents.0.retrieval.store();
        store.publish(work.at(), &work.version, work.chunks, Some(model)).await?;
        let Work { owner, collection, document, chunks, .. } = &*work;
        let chunks = i64::from(*chunks);
        documents.0.db.document_is_embedded(owner, collection, document, chunks).await?;
        Ok(Outcome::json(&serde_json::json!({ "document_id": document, "embedded": chunks })))
    }

    /// Who makes vectors for the owner, if anybody does.
    async fn embedder(
        &self,
        work: &Work,
        job: &JobContext,
    ) -> Result<Option<(Caller, std::sync::Arc<dyn Embedder>)>, StepError> {
        let retrieval = &self.documents.0.retrieval;
        if retrieval.model_name(&self.calls.models.current()).is_none() {
            return Ok(None);
        }
        let key = Some(work.owner.as_str()).filter(|key| !key.is_empty());
        let caller = Caller::of_job(&self.calls, &self.keys, key, &work.request_id, job).await;
        let caller = caller.map_err(|refusal| match refusal {
            keys::Refusal::Away => StepError::Later(AWAY),
            refusal => StepError::permanent("key_refused", refusal.into_http().message()),
        })?;
        Ok(retrieval.embedder(&caller).map(|embedder| (caller, embedder)))
    }
}

/// What follows from a model that has made no vectors.
fn refused(error: EmbedError, caller: &Caller, job: &JobContext) -> StepError {
    let text = reason(&error);
    let refusal = match error {
        EmbedError::Model(error) if error.is_retryable() => {
            let pause = error.retry_after().unwrap_or_default();
            return StepError::Away(text, pause);
        }
        EmbedError::Refused(refusal) => refusal,
        _ => return StepError::permanent("embedding_failed", text),
    };
    let Some(NotAdmitted(refusal)) = refusal.downcast_ref::<NotAdmitted>() else {
        return StepError::permanent("embedding_refused", text);
    };
    let seconds = refusal.headers().find(|(name, _)| name.as_str() == "retry-after");
    let seconds = seconds.and_then(|(_, value)| value.to_str().ok()?.parse().ok());
    let wait = seconds.map(Duration::from_secs);
    let age = job.clock().now() - job.created_at();
    match wait {
        // The limits of the key, in a minute at the latest.
        Some(wait) if caller.was_limited() && wait <= LIMIT_WAIT_MAX && age < LIMIT_AGE_MAX => {
            StepError::Later(wait)
        }
        Some(wait) if refusal.status().is_server_error() => StepError::Away(text, wait),
        _ => StepError::permanent("embedding_refused", text),
    }
}

/// Cuts a text into batches, without those chunks that are there, and says how many there are in
/// all.
fn cut(chunker: Chunker, text: &Extracted, built: u64, batches: &mpsc::Sender<Vec<Chunk>>) -> u32 {
    let (mut count, mut batch) = (0, Vec::with_capacity(BATCH));
    for chunk in chunker.chunks(text) {
        count = chunk.ordinal.saturating_add(1);
        if u64::from(chunk.ordinal) < built {
            continue;
        }
        batch.push(chunk);
        if batch.len() == BATCH && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return count;
        }
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(batch);
    }
    count
}

/// What the version that is made of a document has, and how that is cut.
fn wanted(found: &Found) -> Result<(Attributes, Option<serde_json::Value>), StepError> {
    let (attributes, chunking) = found.entry.wanted();
    let attributes = serde_json::from_str(attributes);
    let chunking = chunking.map(serde_json::from_str).transpose();
    Ok((
        attributes.map_err(|error| StepError::permanent("attributes", error))?,
        chunking.map_err(|error| StepError::permanent("chunking", error))?,
    ))
}

fn entry<'a>(
    found: &'a Found,
    work: &'a Work,
    attributes: &'a Attributes,
    chunking: Option<&'a serde_json::Value>,
) -> NewEntry<'a> {
    NewEntry { at: work.at(), filename: &found.document.name, attributes, chunking }
}

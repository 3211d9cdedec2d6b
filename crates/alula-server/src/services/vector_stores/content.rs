//! The text of a file in a store.

use std::sync::Arc;

use alula::{HttpError, Result, Stream};
use alula_rag::{Scope, Store, StoreError, StoredChunk};
use futures_util::stream;
use serde_json::json;

use super::VectorStores;
use crate::services::retrieval::store_failed;

/// How many chunks are read at a time.
const CHUNKS: u32 = 64;

impl VectorStores {
    /// The text of a file as it is found in one of the owner's stores, in JSON that is written while
    /// it is read.
    ///
    /// # Errors
    ///
    /// 404 if the file is not there, 400 if it is not found yet.
    pub(crate) async fn content(
        &self,
        owner: &str,
        store: &str,
        file: &str,
    ) -> Result<impl Stream<Item = Result<String>> + Send + use<>> {
        self.file(owner, store, file).await?;
        let chunks = self.0.retrieval.store().clone();
        let at = Scope::new(owner, store).entry(file);
        let entry = chunks.entry(at).await.map_err(store_failed)?;
        let version = entry.as_ref().and_then(|it| it.version.clone());
        let (Some(entry), Some(version)) = (entry, version) else {
            return Err(HttpError::bad_request("The file is not indexed yet"));
        };
        let reading = Reading {
            chunks,
            place: [owner, store, file].map(str::to_owned),
            version,
            next: 0,
            count: entry.chunks,
            end: 0,
        };
        Ok(stream::try_unfold(Some(reading), Reading::go_on))
    }
}

/// A text that is being read.
struct Reading {
    chunks: Arc<dyn Store>,
    /// The owner, the store and the file.
    place: [String; 3],
    version: String,
    /// Which chunk is next, and how many there are.
    next: u32,
    count: u32,
    /// Up to which character it was read.
    end: usize,
}

impl Reading {
    async fn go_on(reading: Option<Self>) -> Result<Option<(String, Option<Self>)>> {
        let Some(mut reading) = reading else { return Ok(None) };
        let mut text = match reading.next {
            0 => r#"{"object":"vector_store.file_content.page","data":["#.to_owned(),
            _ => String::new(),
        };
        for chunk in reading.read().await? {
            if reading.next > 0 {
                text.push(',');
            }
            reading.next += 1;
            let piece = reading.new_of(&chunk);
            text.push_str(&json!({ "type": "text", "text": piece }).to_string());
        }
        if reading.next < reading.count {
            return Ok(Some((text, Some(reading))));
        }
        text.push_str(r#"],"has_more":false,"next_page":null}"#);
        Ok(Some((text, None)))
    }

    async fn read(&self) -> Result<Vec<StoredChunk>> {
        let [owner, store, file] = &self.place;
        let at = Scope::new(owner, store).entry(file);
        let chunks = self.chunks.chunks(at, Some(&self.version), self.next, CHUNKS).await;
        let chunks = chunks.map_err(store_failed)?;
        match chunks.is_empty() && self.next < self.count {
            // Better no text than a part of it.
            true => Err(HttpError::internal(StoreError::NoEntry(file.clone()))),
            false => Ok(chunks),
        }
    }

    /// What a chunk has that those before it had not.
    fn new_of(&mut self, chunk: &StoredChunk) -> String {
        let (span, text) = (chunk.chunk.span, &chunk.chunk.text);
        let known = self.end.saturating_sub(span.start);
        let gap = if self.end > 0 && span.start > self.end { "\n" } else { "" };
        self.end = self.end.max(span.end);
        gap.chars().chain(text.chars().skip(known)).collect()
    }
}

//! Vector stores: files that are searched together, as clients of OpenAI know them.
//!
//! A store is a collection, and a file in it an entry of a document, with attributes and chunks of
//! its own there. What makes it fit to be found is the job of any document; [`upkeep`] removes what
//! is left of stores.

mod attach;
mod content;
mod files;
mod search;
mod upkeep;

use std::{fmt, sync::Arc};

use alula::{ApiError as _, HttpError, Result};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use self::attach::Attachment;
use super::{admission::Caller, documents::Documents, jobs::Jobs, retrieval::Retrieval};
use crate::{
    db::{Db, DbError, FileCounts, ListPart, VectorStoreChange, VectorStoreRow},
    error::wrong,
    time::Timestamp,
};

/// How many vector stores there may be, and what is in them.
#[derive(Debug, Clone)]
pub(crate) struct VectorStoreLimits {
    /// How many a key has at most.
    pub(crate) per_key_max: usize,
    /// How many files one has at most.
    pub(crate) files_max: usize,
    /// How many files are put into one at once.
    pub(crate) batch_files_max: usize,
}

impl Default for VectorStoreLimits {
    fn default() -> Self {
        Self { per_key_max: 10_000, files_max: 10_000, batch_files_max: 2_000 }
    }
}

/// All vector stores. Clones are the same.
#[derive(Clone)]
pub(crate) struct VectorStores(Arc<Inner>);

struct Inner {
    db: Db,
    documents: Documents,
    retrieval: Retrieval,
    jobs: Jobs,
    limits: VectorStoreLimits,
    /// Something is to be removed.
    removed: Notify,
}

/// What a store is made of.
#[derive(Debug)]
pub(crate) struct NewStore {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// In JSON.
    pub(crate) metadata: String,
    pub(crate) expires_days: Option<i64>,
    /// What is put into it at once.
    pub(crate) files: Vec<Attachment>,
}

/// A store, and how it stands with its files.
#[derive(Debug)]
pub(crate) struct StoreView {
    pub(crate) row: VectorStoreRow,
    pub(crate) counts: FileCounts,
    /// Nobody has used it for as long as it may be, and it is about to be removed.
    pub(crate) is_expired: bool,
}

impl VectorStores {
    pub(crate) fn new(
        db: &Db,
        documents: &Documents,
        retrieval: &Retrieval,
        jobs: &Jobs,
        limits: VectorStoreLimits,
    ) -> Self {
        Self(Arc::new(Inner {
            db: db.clone(),
            documents: documents.clone(),
            retrieval: retrieval.clone(),
            jobs: jobs.clone(),
            limits,
            removed: Notify::new(),
        }))
    }

    /// Makes a store, with its first files.
    ///
    /// # Errors
    ///
    /// 400 where its owner has enough of them or there are too many files, 404 where one of these
    /// is not the owner's.
    pub(crate) async fn create(&self, caller: &Caller, new: NewStore) -> Result<StoreView> {
        let files = self.checked(caller.owner(), new.files)?;
        let now = Timestamp::now();
        let row = VectorStoreRow {
            id: new_id("vs"),
            owner: caller.owner().to_owned(),
            name: storable(new.name),
            description: new.description.map(storable),
            metadata: new.metadata,
            created_at: now,
            active_at: now,
            expires_days: new.expires_days,
        };
        let max = self.0.limits.per_key_max;
        let added = self.0.db.add_vector_store(&row, i64::try_from(max).unwrap_or(i64::MAX));
        if !added.await.map_err(DbError::into_http)? {
            let told = format!("There may be {max} vector stores, and there are as many");
            return Err(HttpError::bad_request(told).code("vector_stores_limit"));
        }
        if !files.is_empty()
            && let Err(error) = self.put(caller, &row.id, files, None).await
        {
            // Whoever tries again shall not find a half of it.
            self.remove(caller.owner(), &row.id).await?;
            return Err(error);
        }
        self.view(row).await
    }

    /// A part of the owner's. Also, whether there are more.
    ///
    /// # Errors
    ///
    /// 503 while the database is away, as everywhere here.
    pub(crate) async fn list(
        &self,
        owner: &str,
        part: ListPart<'_>,
    ) -> Result<(Vec<StoreView>, bool)> {
        check_cursors(part, |id| is_id(id, "vs_"))?;
        let rows = self.0.db.vector_stores(owner, part.and_one_more()).await;
        let mut rows = rows.map_err(DbError::into_http)?;
        let has_more = part.cut(&mut rows);
        Ok((self.views(rows).await?, has_more))
    }

    /// One of the owner's.
    ///
    /// # Errors
    ///
    /// 404 for one of somebody else, as for one that is not there.
    pub(crate) async fn get(&self, owner: &str, id: &str) -> Result<StoreView> {
        self.view(self.row(owner, id).await?).await
    }

    /// Changes one of the owner's.
    pub(crate) async fn change(
        &self,
        owner: &str,
        id: &str,
        change: VectorStoreChange,
    ) -> Result<StoreView> {
        self.open(owner, id).await?;
        let change = VectorStoreChange { name: change.name.map(storable), ..change };
        let changed = self.0.db.change_vector_store(owner, id, &change, Timestamp::now()).await;
        let row = changed.map_err(DbError::into_http)?.ok_or_else(|| no_store(id))?;
        self.view(row).await
    }

    /// Removes one of the owner's. What is indexed in it is removed a little later.
    pub(crate) async fn remove(&self, owner: &str, id: &str) -> Result<()> {
        self.row(owner, id).await?;
        let hidden = self.0.db.hide_vector_store(owner, id, Timestamp::now()).await;
        if !hidden.map_err(DbError::into_http)? {
            return Err(no_store(id));
        }
        self.0.removed.notify_one();
        Ok(())
    }

    async fn row(&self, owner: &str, id: &str) -> Result<VectorStoreRow> {
        if !is_id(id, "vs_") {
            return Err(no_store(id));
        }
        let found = self.0.db.vector_store(owner, id).await.map_err(DbError::into_http)?;
        found.ok_or_else(|| no_store(id))
    }

    /// The same, if it can still be used.
    async fn open(&self, owner: &str, id: &str) -> Result<VectorStoreRow> {
        let row = self.row(owner, id).await?;
        match is_expired(&row) {
            true => Err(HttpError::bad_request("The vector store has expired").code("expired")),
            false => Ok(row),
        }
    }

    async fn view(&self, row: VectorStoreRow) -> Result<StoreView> {
        let id = row.id.clone();
        self.views(vec![row]).await?.pop().ok_or_else(|| no_store(&id))
    }

    async fn views(&self, rows: Vec<VectorStoreRow>) -> Result<Vec<StoreView>> {
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let counts = self.0.db.vector_store_counts(&ids).await;
        let mut counts = counts.map_err(DbError::into_http)?;
        let view = |row: VectorStoreRow| StoreView {
            counts: counts.remove(&row.id).unwrap_or_default(),
            is_expired: is_expired(&row),
            row,
        };
        Ok(rows.into_iter().map(view).collect())
    }
}

fn is_expired(row: &VectorStoreRow) -> bool {
    row.expires_at().is_some_and(|at| at <= Timestamp::now())
}

/// An id that sorts by its time and cannot be guessed.
fn new_id(kind: &str) -> String {
    format!("{kind}_{}", Uuid::now_v7().simple())
}

/// Whether it looks like an id of this kind. No database is asked for anything else.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(is_word)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether a list can begin and end where it is told to.
fn check_cursors(part: ListPart<'_>, is_good: impl Fn(&str) -> bool) -> Result<()> {
    for (name, cursor) in [("after", part.after), ("before", part.before)] {
        if let Some(cursor) = cursor.filter(|it| !is_good(it)) {
            return Err(wrong(name, format!("{cursor:?} is no id of such a list")));
        }
    }
    Ok(())
}

/// Postgres keeps no NUL.
fn storable(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    }
}

fn no_store(id: &str) -> HttpError {
    HttpError::not_found(format!("There is no vector store {id:?}"))
}

impl fmt::Debug for VectorStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorStores").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_an_id_is_looked_for() {
        assert!(is_id(&new_id("vs"), "vs_") && is_id("vs_0a", "vs_"));
        for id in ["", "vs_", "vs_\0", "vs_a'b", "vsfb_a", "a"] {
            assert!(!is_id(id, "vs_"), "{id:?}");
        }
    }
}

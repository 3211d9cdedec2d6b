//! The store of objects that belongs to the database.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    ObjectError, StorageUrl, names,
    objects::{Objects, Writes},
};
use crate::db::Db;

/// How often it is tried whether something can be written.
const WRITTEN: Duration = Duration::from_secs(60);
/// How many documents are looked for in a store without a name, of which one has to be there.
const LOOKED_FOR: i64 = 8;

/// A store of objects. It has a name, which the database knows: a process that was given another one
/// finds nothing there of what there is, and takes it for lost.
#[derive(Debug)]
pub(super) struct Storage {
    objects: Objects,
    /// Set once it is known to be that of the database.
    is_known: OnceCell<()>,
    /// When something was written to see whether that can be done.
    written: Mutex<Option<Instant>>,
}

impl Storage {
    pub(super) fn open(url: &StorageUrl) -> Result<Self, ObjectError> {
        let objects = Objects::open(url)?;
        Ok(Self { objects, is_known: OnceCell::new(), written: Mutex::default() })
    }

    /// The objects.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Foreign`] if they are not those of the database.
    pub(super) async fn objects(&self, db: &Db) -> Result<&Objects, ObjectError> {
        self.is_known.get_or_try_init(|| self.know(db)).await?;
        Ok(&self.objects)
    }

    async fn know(&self, db: &Db) -> Result<(), ObjectError> {
        let (ours, theirs) = (db.storage().await?, self.objects.id().await?);
        let (before, id) = match (ours, theirs) {
            (Some(ours), Some(theirs)) => return same(ours, theirs),
            // It has lost its name, and all else with that.
            (Some(ours), None) if db.has_documents().await? => return same(ours, String::new()),
            (None, None) if !self.has_any(db).await? => return Err(ObjectError::Strange),
            // A name of its own, so that whoever is at the store before notices.
            (before, None) => (before, Uuid::now_v7().simple().to_string()),
            (None, Some(id)) => (None, id),
        };
        // Another process may be at it as well; the first counts.
        let theirs = self.objects.name(id).await?;
        let ours = db.adopt_storage(&theirs, before.as_deref()).await?;
        same(ours, theirs)
    }

    /// Whether any of the last documents is there, if the database has any. One by itself may be
    /// lost.
    async fn has_any(&self, db: &Db) -> Result<bool, ObjectError> {
        let known = db.last_documents(LOOKED_FOR).await?;
        for id in &known {
            if !self.objects.is_untouched() && self.objects.has(&names::of_bytes(id)).await? {
                return Ok(true);
            }
        }
        Ok(known.is_empty())
    }

    /// Removes files of objects that nobody writes any more. Returns how many.
    pub(super) async fn sweep(&self, db: &Db, silent: Duration) -> Result<u64, ObjectError> {
        match self.objects.is_untouched() {
            true => Ok(0),
            false => self.objects(db).await?.sweep(silent).await,
        }
    }

    /// Whether it can be used.
    pub(super) async fn ping(&self, db: &Db) -> Result<(), ObjectError> {
        if self.objects.is_untouched() && !db.has_documents().await? {
            return Ok(());
        }
        let objects = self.objects(db).await?;
        let is_due = |at: &Instant| at.elapsed() > WRITTEN;
        let writes = match self.written().as_ref().is_none_or(is_due) {
            true => Writes::Something,
            false => Writes::Nothing,
        };
        objects.ping(writes).await?;
        if writes == Writes::Something {
            *self.written() = Some(Instant::now());
        }
        Ok(())
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(ours: String, theirs: String) -> Result<(), ObjectError> {
    match ours == theirs {
        true => Ok(()),
        false => Err(ObjectError::Foreign { ours, theirs }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{
        DbError,
        documents::{Arrived, NewDocument, Settled},
        testing::on_each,
    };

    /// A document whose bytes came.
    async fn put(db: &Db, id: &str) -> Result<(), DbError> {
        let (owner, name, purpose) = ("ada", "a", "");
        let (is_shared, expires_at) = (true, None);
        let new = NewDocument { id, owner, name, purpose, is_shared, expires_at };
        db.document_begins(&new, crate::time::Timestamp::now()).await?;
        let arrived = Arrived { id, kind: "txt", sha256: id, bytes: 1 };
        assert_eq!(db.document_arrived(&arrived, None).await?, Settled::Done);
        Ok(())
    }

    #[tokio::test]
    async fn another_store_is_noticed() {
        on_each(async |db| {
            let folder = tempfile::tempdir().unwrap();
            let open =
                |name: &str| Storage::open(&StorageUrl::Folder(folder.path().join(name))).unwrap();
            // Nothing is made before it is needed.
            open("a").ping(db).await.unwrap();
            assert!(!folder.path().join("a").exists());
            for _ in 0..2 {
                open("a").objects(db).await.unwrap();
            }
            // Nothing is there yet, so nothing can be lost.
            open("b").objects(db).await.unwrap();
            let before = open("a");
            assert!(matches!(before.objects(db).await, Err(ObjectError::Foreign { .. })));
            put(db, "d1").await?;
            let wrong = open("c");
            assert!(matches!(wrong.objects(db).await, Err(ObjectError::Foreign { .. })));
            assert!(matches!(wrong.ping(db).await, Err(ObjectError::Foreign { .. })));
            let memory = Storage::open(&StorageUrl::Memory).unwrap();
            assert!(matches!(memory.objects(db).await, Err(ObjectError::Foreign { .. })));
            open("b").ping(db).await.unwrap();
            Ok(())
        })
        .await;
    }

    /// As a database has it that was brought up to date.
    #[tokio::test]
    async fn a_store_without_a_name_is_that_where_documents_are() {
        on_each(async |db| {
            let folder = tempfile::tempdir().unwrap();
            let open =
                |name: &str| Storage::open(&StorageUrl::Folder(folder.path().join(name))).unwrap();
            for id in ["d1", "d2", "d3"] {
                put(db, id).await?;
            }
            let strange = open("a");
            assert!(matches!(strange.objects(db).await, Err(ObjectError::Strange)));
            assert!(matches!(strange.ping(db).await, Err(ObjectError::Strange)));
            assert!(!folder.path().join("a").exists());
            assert_eq!(db.storage().await?, None);
            // One of them is lost.
            let right = open("b");
            right.objects.put(&names::of_bytes("d2"), "x".into()).await.unwrap();
            right.objects(db).await.unwrap();
            assert!(matches!(strange.objects(db).await, Err(ObjectError::Foreign { .. })));
            Ok(())
        })
        .await;
    }

    /// Somebody has restored a database without its files.
    #[tokio::test]
    async fn whoever_knows_better_gives_the_store_a_name() {
        on_each(async |db| {
            let folder = tempfile::tempdir().unwrap();
            let url = StorageUrl::Folder(folder.path().to_owned());
            let open = || Storage::open(&url).unwrap();
            put(db, "d1").await?;
            assert!(matches!(open().objects(db).await, Err(ObjectError::Strange)));
            std::fs::write(folder.path().join("storage-id"), "mine\n").unwrap();
            open().objects(db).await.unwrap();
            assert_eq!(db.storage().await?.as_deref(), Some("mine"));
            // All is lost once more, and somebody has begun with a new disk.
            std::fs::remove_file(folder.path().join("storage-id")).unwrap();
            assert!(matches!(open().objects(db).await, Err(ObjectError::Foreign { .. })));
            std::fs::write(folder.path().join("storage-id"), "mine").unwrap();
            open().objects(db).await.unwrap();
            Ok(())
        })
        .await;
    }
}

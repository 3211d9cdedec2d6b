//! Documents: how they come in, are made fit to be found, and go.
//!
//! A document is a row, an object of its bytes, and entries in collections. Its row is there before
//! its object and after it, so that whatever is cut short is known, and put right by `upkeep`.
//! What makes an entry fit to be found is a job of four steps, each of which is done once: the text
//! is taken out, cut into chunks, given vectors where there is a model for that, and published.

mod accept;
mod change;
mod ends;
mod files;
mod names;
mod objects;
mod pipeline;
mod receive;
mod refusal;
mod room;
mod settings;
mod steps;
mod storage;
mod turns;
mod upkeep;
mod view;

use std::{sync::Arc, time::Duration};

use alula_rag::Extractor;

pub(crate) use self::{
    accept::{Accepted, Wish},
    ends::DocumentEnded,
    files::NewFile,
    names::{Purpose, is_document},
    objects::{ObjectError, StorageUrl},
    pipeline::{Indexing, QUEUES},
    receive::{Held, Incoming, Pieces, Received, kind_of},
    refusal::Refusal,
    settings::DocumentSettings,
    view::{DocumentStatus, DocumentView, Reason, StatusView},
};
use self::{
    objects::{Objects, Writes},
    storage::Storage,
    turns::Turns,
};
use super::{jobs::Jobs, retrieval::Retrieval};
use crate::{
    config::Config,
    db::{DatabaseUrl, Db},
};

/// The argument that makes this program read a document from its standard input.
pub(crate) const EXTRACT_COMMAND: &str = "extract-document";

/// How long whoever removes a document has for it, before somebody else does it.
const CLAIM: Duration = Duration::from_secs(120);
/// How often attributes that change meanwhile are written again.
const CHANGES_MAX: u32 = 5;

/// The documents of the database. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Documents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: DocumentSettings,
    db: Db,
    storage: Storage,
    retrieval: Retrieval,
    jobs: Jobs,
    extractor: Extractor,
    /// Uploads at a time.
    turns: Turns,
}

impl Documents {
    /// Opens the store of their objects, and warns of one that does not last as long as the database.
    ///
    /// # Errors
    ///
    /// If its address is none.
    pub(crate) fn open(
        config: &Config,
        db: Db,
        jobs: Jobs,
        retrieval: Retrieval,
    ) -> Result<Self, ObjectError> {
        let settings = config.documents.clone();
        if let (StorageUrl::Memory, false) =
            (&settings.storage, matches!(config.database, DatabaseUrl::Memory))
        {
            tracing::warn!(
                "STORAGE_URL=memory: the files of documents are gone when this process ends, and \
                 the database knows them still: no document is taken then"
            );
        }
        let extractor = Extractor::this_program()?
            .arg(EXTRACT_COMMAND)
            .limits(settings.extraction.clone())
            .concurrency(settings.extractions_max);
        Ok(Self(Arc::new(Inner {
            storage: Storage::open(&settings.storage)?,
            turns: Turns::new(&settings),
            settings,
            db,
            retrieval,
            jobs,
            extractor,
        })))
    }

    pub(crate) fn settings(&self) -> &DocumentSettings {
        &self.0.settings
    }

    /// Whether the store of their objects can be used.
    pub(crate) async fn ping(&self) -> Result<(), ObjectError> {
        self.0.storage.ping(&self.0.db).await
    }

    /// The store of their objects, once it is known to be that of the database.
    async fn objects(&self) -> Result<&Objects, ObjectError> {
        self.0.storage.objects(&self.0.db).await
    }
}

/// Whether a store of objects answers.
pub(crate) async fn probe(url: &StorageUrl) -> Result<(), ObjectError> {
    Objects::open(url)?.ping(Writes::Something).await
}

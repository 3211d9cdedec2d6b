//! Documents, and the collections they are in.

mod arrive;
mod change;
mod files;
mod find;
pub(in crate::db) mod processed;
mod steps;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use self::{
    arrive::{Arrived, Entered, NewDocument, NewEntry, SentAs, Settled},
    change::{Change, Restarted},
    processed::ProcessedMax,
};
use crate::time::Timestamp;

/// A document whose bytes are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentRow {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) purpose: String,
    /// As its kind is written.
    pub(crate) kind: String,
    pub(crate) sha256: String,
    pub(crate) bytes: i64,
    /// Another one whenever its text is taken out anew.
    pub(crate) generation: i64,
    pub(crate) pages: Option<i64>,
    pub(crate) characters: Option<i64>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A document in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) collection: String,
    pub(crate) state: EntryState,
    /// The last job for it.
    pub(crate) job: String,
    /// In JSON.
    pub(crate) attributes: String,
    /// How it is cut, in JSON; nothing for the usual way.
    pub(crate) chunking: Option<String>,
    pub(crate) is_archived: bool,
    pub(crate) chunks: i64,
    pub(crate) embedded: i64,
    /// A code and words.
    pub(crate) error: Option<(String, String)>,
    /// Whether a version of it is found.
    pub(crate) is_live: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// What it gets with the next version, if that is to be something else, and how that is cut.
    pub(crate) next: Option<(String, Option<String>)>,
}

impl EntryRow {
    /// What the next version of it has, and how that is cut.
    pub(crate) fn wanted(&self) -> (&str, Option<&str>) {
        match &self.next {
            Some((attributes, chunking)) => (attributes, chunking.as_deref()),
            None => (&self.attributes, self.chunking.as_deref()),
        }
    }
}

/// Where a document in a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryState {
    Processing,
    Ready,
    Failed,
}

impl EntryState {
    pub(crate) const fn code(self) -> i64 {
        self as i64
    }

    fn of(code: i64) -> Self {
        match code {
            0 => Self::Processing,
            1 => Self::Ready,
            _ => Self::Failed,
        }
    }
}

/// A document, and what it is in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) document: DocumentRow,
    pub(crate) entry: EntryRow,
}

/// The columns of a [`DocumentRow`] and of an [`EntryRow`], in the order in which [`document!`] and
/// [`found!`] read them.
macro_rules! document_columns {
    () => {
        "d.id, d.owner, d.name, d.purpose, d.kind, d.sha256, d.bytes, d.generation, d.pages, \
         d.characters, d.created_at, d.expires_at"
    };
}
macro_rules! found_columns {
    () => {
        concat!(
            crate::db::documents::document_columns!(),
            ", e.collection, e.state, e.job, e.attributes, e.chunking, e.is_archived, e.chunks, \
             e.embedded, e.error_code, e.error, e.created_at, e.updated_at, e.is_live, \
             e.next_attributes, e.next_chunking"
        )
    };
}

/// A document of a row of either database.
macro_rules! document {
    ($row:expr) => {{
        let row = $row;
        $crate::db::documents::DocumentRow {
            id: row.try_get(0)?,
            owner: row.try_get(1)?,
            name: row.try_get(2)?,
            purpose: row.try_get(3)?,
            kind: row.try_get(4)?,
            sha256: row.try_get(5)?,
            bytes: row.try_get(6)?,
            generation: row.try_get(7)?,
            pages: row.try_get(8)?,
            characters: row.try_get(9)?,
            created_at: $crate::time::Timestamp::from_millis(row.try_get(10)?),
            expires_at: {
                let expires_at: Option<i64> = row.try_get(11)?;
                expires_at.map($crate::time::Timestamp::from_millis)
            },
        }
    }};
}

/// The same with what it is in a collection.
macro_rules! found {
    ($row:expr) => {{
        let row = $row;
        let code: Option<String> = row.try_get(20)?;
        let error: Option<String> = row.try_get(21)?;
        let is_archived: i64 = row.try_get(17)?;
        let is_live: i64 = row.try_get(24)?;
        let next: Option<String> = row.try_get(25)?;
        let next_chunking: Option<String> = row.try_get(26)?;
        $crate::db::documents::Found {
            document: $crate::db::documents::document!(&row),
            entry: $crate::db::documents::EntryRow {
                collection: row.try_get(12)?,
                state: $crate::db::documents::EntryState::of(row.try_get(13)?),
                job: row.try_get(14)?,
                attributes: row.try_get(15)?,
                chunking: row.try_get(16)?,
                is_archived: is_archived != 0,
                chunks: row.try_get(18)?,
                embedded: row.try_get(19)?,
                error: code.zip(error),
                is_live: is_live != 0,
                created_at: $crate::time::Timestamp::from_millis(row.try_get(22)?),
                updated_at: $crate::time::Timestamp::from_millis(row.try_get(23)?),
                next: next.map(|attributes| (attributes, next_chunking)),
            },
        }
    }};
}

use {document, document_columns, found, found_columns};

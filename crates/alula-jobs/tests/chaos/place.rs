//! Where the jobs of a run are.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use alula_jobs::{Postgres, Queue, Sqlite, Store};
use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is made for tests, others of which restart it"
)]
#[path = "../../../alula-server/tests/support/postgres.rs"]
mod postgres;

/// How many connections a process has to Postgres.
const CONNECTIONS: u32 = 6;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            _ => bail!("there is no store `{name}`; there are sqlite and postgres"),
        }
    }
}

/// An empty database, and a folder for what processes note. It is gone with the run.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    server: Option<postgres::Postgres>,
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let server = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                Some(postgres::Postgres::start().context("there is no Postgres on this machine")?)
            }
        };
        Ok(Self { folder: tempfile::tempdir().context("there is no temporary folder")?, server })
    }

    /// What [`open_store`] takes.
    pub(crate) fn address(&self) -> String {
        match &self.server {
            Some(server) => server.url(),
            None => self.file("jobs.db").to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Opens a database, as each process does for itself.
pub(crate) async fn open_store(address: &str) -> Result<Arc<dyn Store>> {
    if address.starts_with("postgres:") {
        Ok(Arc::new(Postgres::open(address, CONNECTIONS).await?))
    } else {
        Ok(Arc::new(Sqlite::open(address).await?))
    }
}

pub(crate) async fn open(address: &str) -> Result<Queue> {
    Ok(Queue::from(open_store(address).await?))
}

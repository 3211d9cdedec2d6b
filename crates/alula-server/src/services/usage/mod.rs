//! The ledger: what every call has used, kept off the path of requests.
//!
//! A call that ends puts a row into a bounded queue. One task takes rows from there and writes
//! them in batches; while the database is away they go to a file and from there to the database
//! later. A row that is lost in spite of all this is counted and logged.

pub(crate) mod csv;
pub(crate) mod report;
mod retention;
pub(crate) mod row;
mod spill;
pub(crate) mod time;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use alula_llm::{CallRecord, model::Protocol};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{row::Row, spill::Spill, writer::Writer};
use crate::db::Db;

/// How the ledger is kept.
#[derive(Debug, Clone)]
pub(crate) struct LedgerSettings {
    /// Rows that wait for the task which writes them; of each a few hundred bytes.
    pub(crate) queue_rows_max: usize,
    /// Where rows wait while the database is away.
    pub(crate) spill_dir: PathBuf,
    pub(crate) spill_bytes_max: u64,
    /// Older rows are deleted; 0: none are.
    pub(crate) retention_days: u32,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            // Three seconds of what a core can serve: an attempt to write takes two at most.
            queue_rows_max: 65_536,
            spill_dir: "data".into(),
            spill_bytes_max: 1 << 30,
            // A year, and the month that is being looked at.
            retention_days: 400,
        }
    }
}

/// Takes down what calls have used. Clones write to the same table.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Row>,
    /// Rows that are nowhere.
    lost: AtomicU64,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// The other end of a ledger, which does nothing until it is [started](Self::start).
#[derive(Debug)]
pub(crate) struct Unwritten {
    queue: mpsc::Receiver<Row>,
    settings: LedgerSettings,
}

impl Ledger {
    pub(crate) fn new(settings: LedgerSettings) -> (Self, Unwritten) {
        let (queue, rows) = mpsc::channel(settings.queue_rows_max);
        let shared = Shared {
            queue,
            lost: AtomicU64::new(0),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        (Self(Arc::new(shared)), Unwritten { queue: rows, settings })
    }

    /// Takes down a call that has ended, made for a request in the words of this protocol.
    pub(crate) fn note(&self, record: &CallRecord, request_id: &str, protocol: Option<Protocol>) {
        let row = Row::new(record, request_id, protocol);
        match self.0.queue.try_send(row) {
            Ok(()) => {}
            // The writer says so, once for many.
            Err(mpsc::error::TrySendError::Full(_)) => _ = self.0.lost.fetch_add(1, Relaxed),
            Err(mpsc::error::TrySendError::Closed(row)) => {
                self.0.lost.fetch_add(1, Relaxed);
                let request_id = row.request_id;
                tracing::error!(%request_id, "a call ended after the ledger was closed");
            }
        }
    }

    /// How many rows wait in memory.
    pub(crate) fn waiting(&self) -> u64 {
        let waiting = self.0.queue.max_capacity() - self.0.queue.capacity();
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// How many rows are nowhere.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    /// Writes what there is, and waits until that is done.
    pub(crate) async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Unwritten {
    /// Writes the rows of this ledger to the database from now on, and deletes old ones.
    pub(crate) fn start(self, ledger: &Ledger, db: Db) {
        let Self { queue, settings } = self;
        if settings.retention_days > 0 {
            let closing = ledger.0.closing.clone();
            ledger.0.tasks.spawn(retention::run(db.clone(), settings.retention_days, closing));
        }
        let shared = ledger.0.clone();
        ledger.0.tasks.spawn(async move {
            let spill = Spill::open(settings.spill_dir, settings.spill_bytes_max).await;
            Writer::new(queue, db, spill, shared).run().await;
        });
    }
}

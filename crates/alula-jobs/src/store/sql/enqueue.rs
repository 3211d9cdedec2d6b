//! New jobs.

use serde::Serialize;

use super::{
    Conn, Operation, Sql, end,
    rows::{NewRow, array},
};
use crate::{
    JobId, NewBatch, NewJob, Timestamp,
    store::{Enqueued, StoreError},
};

/// How many rows one statement inserts.
const ROWS_MAX: usize = 1_000;
/// How often a job is inserted anew whose key another one gives up at that moment.
const TRIES_MAX: usize = 5;

static INSERT: Sql = Sql::new(
    "INSERT INTO jobs (id, label, trace, owner, queue, name, max_attempts, rest, steps, state, \
     priority, created_at, run_at, unique_key, parent, on_end, args) \
     SELECT * FROM {rows: id TEXT, label TEXT, trace TEXT, owner TEXT, queue TEXT, name TEXT, \
     max_attempts BIGINT, rest TEXT, steps BIGINT, state BIGINT, priority BIGINT, \
     created_at BIGINT, run_at BIGINT, unique_key TEXT, parent TEXT, on_end TEXT, args TEXT} \
     WHERE true ON CONFLICT DO NOTHING RETURNING id",
);
static IS_THERE: Sql = Sql::new("SELECT id FROM jobs WHERE id = $1");
static OF_KEY: Sql = Sql::new("SELECT id FROM jobs WHERE unique_key = $1 AND state < 4");

/// Enqueues jobs.
#[derive(Debug)]
pub(super) struct Enqueue {
    rows: Vec<NewRow>,
}

impl Enqueue {
    pub(super) fn jobs(jobs: &[NewJob], now: Timestamp) -> Self {
        Self { rows: jobs.iter().map(|job| NewRow::new(job, None, now)).collect() }
    }

    /// Jobs that another one waits for.
    pub(super) fn children(parent: JobId, jobs: &[NewJob], now: Timestamp) -> Self {
        Self { rows: jobs.iter().map(|job| NewRow::new(job, Some(parent), now)).collect() }
    }
}

impl Operation for Enqueue {
    type Output = Vec<Enqueued>;

    /// One job is inserted or not, whatever is read of those in its way.
    fn is_one_statement(&self) -> bool {
        self.rows.len() == 1
    }

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Enqueued>, StoreError> {
        let mut enqueued = Vec::with_capacity(self.rows.len());
        for rows in self.rows.chunks(ROWS_MAX) {
            let inserted = insert(conn, rows).await?;
            if inserted.len() == rows.len() {
                enqueued.extend(rows.iter().map(|row| Enqueued { id: row.id(), is_new: true }));
                continue;
            }
            for row in rows {
                enqueued.push(match inserted.contains(&row.id().to_string()) {
                    true => Enqueued { id: row.id(), is_new: true },
                    false => there(conn, row).await?,
                });
            }
        }
        Ok(enqueued)
    }
}

/// Enqueues a job with its children.
#[derive(Debug)]
pub(super) struct EnqueueBatch {
    batch: NewRow,
    children: Enqueue,
    now: Timestamp,
}

impl EnqueueBatch {
    pub(super) fn new(batch: &NewBatch, now: Timestamp) -> Self {
        let children = Enqueue::children(batch.id(), &batch.children, now);
        Self { batch: NewRow::new(&batch.job, None, now).waiting(), children, now }
    }
}

impl Operation for EnqueueBatch {
    type Output = ();

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        if insert(conn, std::slice::from_ref(&self.batch)).await?.is_empty() {
            // And so are its children, whose names may be others this time.
            return Ok(());
        }
        self.children.run(conn).await?;
        // There may be nothing to wait for: no child, or none whose key was free.
        end::follow(conn, Vec::new(), vec![self.batch.id()], self.now).await?;
        Ok(())
    }
}

/// The ids of those that were not there.
async fn insert<T: Serialize>(conn: &mut Conn<'_>, rows: &[T]) -> Result<Vec<String>, StoreError> {
    let inserted = conn.rows(&INSERT, &[(&array(rows)?).into()]).await?;
    inserted.iter().map(|row| row.text(0)).collect()
}

/// What stood in the way of a row.
async fn there(conn: &mut Conn<'_>, row: &NewRow) -> Result<Enqueued, StoreError> {
    let id = row.id();
    for _ in 0..TRIES_MAX {
        if conn.row(&IS_THERE, &[(&id.to_string()).into()]).await?.is_some() {
            return Ok(Enqueued { id, is_new: false });
        }
        let Some(key) = row.unique_key() else { break };
        if let Some(other) = conn.row(&OF_KEY, &[key.into()]).await? {
            return Ok(Enqueued { id: super::rows::id(&other.text(0)?)?, is_new: false });
        }
        // The other one has ended meanwhile.
        if !insert(conn, std::slice::from_ref(row)).await?.is_empty() {
            return Ok(Enqueued { id, is_new: true });
        }
    }
    Err(StoreError::Taken)
}

//! The task that writes the ledger.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{Shared, row::Row, spill::Spill};
use crate::db::Db;

/// Rows of one statement.
pub(super) const BATCH_ROWS_MAX: usize = 500;
/// How long the first row of a batch waits for others. A crash loses no more than this.
const WINDOW: Duration = Duration::from_millis(200);
/// How long the database may take for a batch; then it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same at the end, when there is little time.
const LAST_PATIENCE: Duration = Duration::from_millis(500);
/// How soon a database that was away is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Writes rows in batches: to the database or, while that is away, to a file. Where neither takes
/// them they stay in the queue.
pub(super) struct Writer {
    queue: mpsc::Receiver<Row>,
    db: Db,
    spill: Spill,
    shared: Arc<Shared>,
    /// Rows of the next batch, which are no longer in the queue.
    batch: Vec<Row>,
    /// When to try again what did not work.
    retry: Option<Instant>,
    /// What was lost when that was logged last.
    lost_logged: u64,
}

impl Writer {
    pub(super) fn new(
        queue: mpsc::Receiver<Row>,
        db: Db,
        spill: Spill,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            queue,
            db,
            spill,
            shared,
            batch: Vec::with_capacity(BATCH_ROWS_MAX),
            retry: None,
            lost_logged: 0,
        }
    }

    /// Writes until the ledger is closed, and then what is left.
    pub(super) async fn run(mut self) {
        while self.has_work().await {
            self.empty_queue().await;
            self.replay().await;
            self.say_what_is_lost();
        }
        self.queue.close();
        self.empty_queue().await;
        self.replay().await;
        let unwritten = self.batch.len() + self.queue.len();
        self.shared.lost.fetch_add(unwritten as u64, Relaxed);
        self.say_what_is_lost();
        if let Some(file) = self.spill.path() {
            tracing::warn!(file = %file.display(), "usage waits for the next start in a file");
        }
    }

    /// Waits for something to write, and a moment for more of it. False when the ledger closes.
    async fn has_work(&mut self) -> bool {
        let closing = &self.shared.closing;
        let is_waiting = !self.batch.is_empty() || !self.spill.is_empty();
        let retry = self.retry.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            () = closing.cancelled() => return false,
            _ = self.queue.recv_many(&mut self.batch, 1), if self.batch.is_empty() => {}
            () = sleep_until(retry), if is_waiting => return true,
        }
        tokio::select! {
            () = closing.cancelled() => false,
            () = sleep(WINDOW) => true,
        }
    }

    /// Writes what the queue has, or as much of it as is taken.
    async fn empty_queue(&mut self) {
        loop {
            while self.batch.len() < BATCH_ROWS_MAX
                && let Ok(row) = self.queue.try_recv()
            {
                self.batch.push(row);
            }
            if self.batch.is_empty() || !self.write_batch().await {
                return;
            }
        }
    }

    /// Writes the batch somewhere. Returns whether that has been done.
    async fn write_batch(&mut self) -> bool {
        if !self.is_away() {
            match self.insert(&self.batch).await {
                Ok(()) => {
                    self.retry = None;
                    self.batch.clear();
                    return true;
                }
                Err(why) => self.away(&why),
            }
        }
        if let Err(error) = self.spill.append(&self.batch).await {
            tracing::error!(%error, "usage cannot wait in a file either");
            return false;
        }
        self.batch.clear();
        true
    }

    /// Writes rows of the file to the database, until a batch waits in the queue.
    async fn replay(&mut self) {
        while !self.spill.is_empty() && !self.is_away() {
            match self.replay_batch().await {
                Ok(()) => self.retry = None,
                Err(why) => return self.away(&why),
            }
            if self.spill.is_empty() {
                tracing::info!("all usage that waited is in the database");
            }
            // At the end the queue comes first.
            let is_ending = self.shared.closing.is_cancelled() && !self.queue.is_closed();
            if is_ending || self.queue.len() >= BATCH_ROWS_MAX {
                return;
            }
        }
    }

    async fn replay_batch(&mut self) -> Result<(), String> {
        let read = self.spill.next(BATCH_ROWS_MAX).await.map_err(|error| error.to_string())?;
        self.insert(&read.rows).await?;
        if read.damaged > 0 {
            tracing::error!(lines = read.damaged, "usage that waited cannot be read");
            self.shared.lost.fetch_add(read.damaged as u64, Relaxed);
        }
        self.spill.done(&read).await.map_err(|error| error.to_string())
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), String> {
        let closing = async {
            self.shared.closing.cancelled().await;
            sleep(LAST_PATIENCE).await;
        };
        tokio::select! {
            biased;
            done = self.db.insert_usage(rows) => done.map_err(|error| error.to_string()),
            () = sleep(PATIENCE) => Err(format!("it takes more than {PATIENCE:?}")),
            () = closing => Err(format!("it takes more than {LAST_PATIENCE:?} at the end")),
        }
    }

    fn is_away(&self) -> bool {
        self.retry.is_some_and(|retry| Instant::now() < retry)
    }

    /// Leaves the database alone for a while.
    fn away(&mut self, why: &str) {
        if self.retry.is_none() {
            tracing::warn!(why, "the database takes no usage: it waits in a file");
        }
        self.retry = Some(Instant::now() + RETRY);
    }

    fn say_what_is_lost(&mut self) {
        let lost = self.shared.lost.load(Relaxed);
        if lost > self.lost_logged {
            let since = lost - self.lost_logged;
            tracing::error!(since, lost, "calls are missing in the ledger");
            self.lost_logged = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Ledger, LedgerSettings, row::tests::row_at},
        *,
    };
    use crate::db::{
        testing::{Postgres, on_each},
        usage::Filter,
    };

    const ALL: i64 = 1_000_000;

    fn ledger(dir: &std::path::Path) -> (Ledger, super::super::Unwritten) {
        let settings = LedgerSettings { retention_days: 0, ..LedgerSettings::default() };
        Ledger::new(LedgerSettings { spill_dir: dir.to_owned(), ..settings })
    }

    async fn count(db: &Db) -> i64 {
        db.usage_total(&Filter::between(0, ALL)).await.map_or(-1, |sums| sums.calls)
    }

    #[tokio::test]
    async fn closing_writes_what_is_in_the_queue() {
        on_each(async |db| {
            let dir = tempfile::tempdir().unwrap();
            let (ledger, unwritten) = ledger(dir.path());
            unwritten.start(&ledger, db.clone());
            for at in 0..1_234 {
                ledger.0.queue.try_send(row_at(at)).unwrap();
            }
            ledger.close().await;
            assert_eq!(count(db).await, 1_234);
            assert_eq!(ledger.0.lost.load(Relaxed), 0);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_database_that_comes_back_gets_everything() {
        let Some(mut postgres) = Postgres::start() else { return };
        let db = Db::open(&postgres.url().parse().unwrap()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (ledger, unwritten) = ledger(dir.path());
        unwritten.start(&ledger, db.clone());
        postgres.kill();
        for at in 0..2_000 {
            ledger.0.queue.try_send(row_at(at)).unwrap();
        }
        while std::fs::read_dir(dir.path()).unwrap().next().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        postgres.restart();
        let back = Instant::now();
        while count(&db).await < 2_000 {
            sleep(Duration::from_millis(10)).await;
        }
        println!("all rows are there after {:?}", back.elapsed());
        ledger.close().await;
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(ledger.0.lost.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn where_nothing_takes_rows_they_are_counted_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        // There is a file where the folder should be.
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
        db.close().await;
        let (ledger, unwritten) = ledger(&file);
        unwritten.start(&ledger, db);
        for at in 0..700 {
            ledger.0.queue.try_send(row_at(at)).unwrap();
        }
        ledger.close().await;
        assert_eq!(ledger.0.lost.load(Relaxed), 700);
    }
}

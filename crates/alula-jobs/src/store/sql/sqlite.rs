//! Jobs in SQLite.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, sleep},
};

use super::{Conn, Engine, Operation, schema::Migrate};
use crate::store::{Store, StoreError};

/// How long is waited for another process that writes.
const WAIT: Duration = Duration::from_secs(30);
/// How long SQLite itself waits for it once a file is open. It would wait ever longer between two
/// looks, up to 100 ms, while processes that have just written take the lock again and again.
const WAIT_OF_SQLITE: &str = "PRAGMA busy_timeout = 2";
/// How long the others have time to take the lock, where there are others.
const TURN: Duration = Duration::from_millis(2);
/// For how long it is remembered that there are others.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Connections that read.
const READERS: u32 = 4;
/// How many calls wait for the writer, before those that come wait for a place.
const WAITING_MAX: usize = 1_024;
/// How many calls are one transaction.
const TOGETHER_MAX: usize = 256;
/// How many rows of an answer may wait for who reads them, before SQLite waits for that.
const ROWS_WAITING_MAX: usize = 1_024;
/// How often it is looked whether another process has written.
const LOOK: Duration = Duration::from_millis(25);

/// Jobs in a file of SQLite. Clones share its connections.
///
/// One connection writes, on a thread of its own: what comes together is one transaction, and calls
/// of a process wait for each other in their order. What was committed survives a power failure, as
/// far as the disk does (`synchronous = FULL`).
///
/// ```
/// use alula_jobs::Sqlite;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Sqlite::in_memory().await?;
/// # drop(store);
/// # Ok::<(), alula_jobs::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: mpsc::Sender<Box<dyn Call>>,
    /// Nothing in memory, where only the writer sees what there is.
    reads: Option<SqlitePool>,
    watch: Arc<Mutex<Option<Watch>>>,
    /// It was made of another one, whose connections these are.
    detached: bool,
}

impl Sqlite {
    /// Opens a file, which is made if it is not there, and makes the tables that are missing. The
    /// folder must be there.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or is newer than this library.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT)
            .row_buffer_size(ROWS_WAITING_MAX)
            .disable_statement_logging();
        let mut writer = options.connect().await?;
        sqlx::raw_sql(WAIT_OF_SQLITE).execute(&mut writer).await?;
        let writer = start(writer)?;
        let reads = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(WAIT)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Self { writer, reads: Some(reads), watch: Arc::default(), detached: false }.migrated().await
    }

    /// Jobs in memory, which are gone with the store.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let writer = start(options.connect().await?)?;
        Self { writer, reads: None, watch: Arc::default(), detached: false }.migrated().await
    }

    async fn migrated(self) -> Result<Self, StoreError> {
        self.write(Migrate).await?;
        Ok(self)
    }
}

impl Engine for Sqlite {
    async fn write<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Pending { operation, output: None, reply });
        self.writer.send(call).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn read<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let Some(reads) = &self.reads else { return self.write(operation).await };
        let mut conn = reads.acquire().await?;
        operation.run(&mut Conn::Sqlite(&mut conn)).await
    }

    /// They see it.
    fn tell(&self) {}

    async fn changed(&self) {
        let Some(reads) = &self.reads else { return std::future::pending().await };
        let mut watch = self.watch.lock().await;
        loop {
            sleep(LOOK).await;
            match Watch::look(&mut watch, reads).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => *watch = None,
            }
        }
    }

    /// The writer has a thread of its own.
    fn detached(&self) -> Arc<dyn Store> {
        Arc::new(Self { detached: true, ..self.clone() })
    }

    async fn close(&self) {
        if self.detached {
            return;
        }
        let (reply, closed) = oneshot::channel();
        if self.writer.send(Box::new(Close(reply))).await.is_ok() {
            let _ = closed.await;
        }
        if let Ok(mut watch) = self.watch.try_lock() {
            *watch = None;
        }
        if let Some(reads) = &self.reads {
            reads.close().await;
        }
    }
}

/// Sees whether another process, or the writer of this one, has written.
#[derive(Debug)]
struct Watch {
    conn: SqliteConnection,
    version: i64,
}

impl Watch {
    async fn look(watch: &mut Option<Self>, reads: &SqlitePool) -> Result<bool, sqlx::Error> {
        let is_new = watch.is_none();
        if is_new {
            let conn = (*reads.connect_options()).clone().connect().await?;
            *watch = Some(Self { conn, version: 0 });
        }
        let Some(watch) = watch else { return Ok(false) };
        // It counts the commits of others, as this connection has seen them.
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut watch.conn).await?;
        let is_other = version != watch.version;
        watch.version = version;
        // What was written before it looked is not known.
        Ok(is_other)
    }
}

/// A call that waits for the writer.
trait Call: Send {
    /// Does it, and keeps what comes of it.
    fn run<'a>(
        &'a mut self,
        conn: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Tells what has come of it.
    fn reply(self: Box<Self>, result: Result<(), StoreError>);

    /// Whether it is the last one.
    fn is_close(&self) -> bool {
        false
    }
}

struct Pending<O: Operation> {
    operation: O,
    output: Option<O::Output>,
    reply: oneshot::Sender<Result<O::Output, StoreError>>,
}

impl<O: Operation> Call for Pending<O> {
    fn run<'a>(
        &'a mut self,
        conn: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.output = Some(self.operation.run(&mut Conn::Sqlite(conn)).await?);
            Ok(())
        })
    }

    fn reply(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { output, reply, .. } = *self;
        let result = result.and_then(|()| output.ok_or(StoreError::Closed));
        // Whoever asked may be gone.
        let _ = reply.send(result);
    }
}

struct Close(oneshot::Sender<()>);

impl Call for Close {
    fn run<'a>(&'a mut self, _: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn reply(self: Box<Self>, _: Result<(), StoreError>) {
        let _ = self.0.send(());
    }

    fn is_close(&self) -> bool {
        true
    }
}

/// Starts the thread that writes. It ends when nobody can ask it any more.
fn start(conn: SqliteConnection) -> Result<mpsc::Sender<Box<dyn Call>>, StoreError> {
    let (sender, calls) = mpsc::channel(WAITING_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| StoreError::from(sqlx::Error::Io(error)))?;
    std::thread::Builder::new()
        .name("alula-jobs".to_owned())
        .spawn(move || runtime.block_on(serve(conn, calls)))
        .map_err(|error| StoreError::from(sqlx::Error::Io(error)))?;
    Ok(sender)
}

async fn serve(conn: SqliteConnection, mut calls: mpsc::Receiver<Box<dyn Call>>) {
    let mut writer = Writer { conn, wait: WAIT, others_at: None };
    let mut together: Vec<Box<dyn Call>> = Vec::with_capacity(TOGETHER_MAX);
    while calls.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let is_over = together.iter().any(|call| call.is_close());
        writer.answer(&mut together).await;
        if is_over {
            break;
        }
        writer.give_way().await;
    }
    let _ = writer.conn.close().await;
}

/// The connection that writes, beside those of other processes.
struct Writer {
    conn: SqliteConnection,
    /// How long it waits for them.
    wait: Duration,
    /// When another process was last seen to write.
    others_at: Option<Instant>,
}

/// Why a transaction came to nothing.
enum Undone {
    /// It has not even begun.
    NoLock(StoreError),
    /// A call has failed, or the commit of all.
    Call(StoreError),
}

impl Writer {
    /// Makes all of these calls, together if that works.
    async fn answer(&mut self, together: &mut Vec<Box<dyn Call>>) {
        match self.transact(together).await {
            // One of them has spoiled it for all.
            Err(Undone::Call(_)) if together.len() > 1 => {
                for mut call in together.drain(..) {
                    let result = self.transact(std::slice::from_mut(&mut call)).await;
                    call.reply(result.map_err(StoreError::from));
                }
            }
            result => {
                let result = result.map_err(StoreError::from);
                together.drain(..).for_each(|call| call.reply(result.clone()));
            }
        }
    }

    /// Does all of these in one transaction, or none.
    async fn transact(&mut self, calls: &mut [Box<dyn Call>]) -> Result<(), Undone> {
        self.begin().await.map_err(Undone::NoLock)?;
        let done = run(&mut self.conn, calls).await;
        if done.is_err() {
            // It may be over already: some errors end a transaction.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await;
        }
        done.map_err(Undone::Call)
    }

    /// Takes the lock, for which nobody queues: whoever looks when it is free has it.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let since = Instant::now();
        loop {
            // At once: a lock that is taken later does not wait.
            match sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.conn).await {
                Ok(_) => return Ok(()),
                Err(error) if is_busy(&error) && since.elapsed() < self.wait => {
                    self.others_at = Some(Instant::now());
                    sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets others take the lock, if there are any.
    async fn give_way(&mut self) {
        if self.others_at.is_some_and(|at| at.elapsed() < REMEMBERED) {
            sleep(TURN).await;
        }
    }
}

impl From<Undone> for StoreError {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::NoLock(error) | Undone::Call(error) => error,
        }
    }
}

async fn run(conn: &mut SqliteConnection, calls: &mut [Box<dyn Call>]) -> Result<(), StoreError> {
    for call in calls {
        call.run(conn).await?;
    }
    sqlx::raw_sql("COMMIT").execute(conn).await?;
    Ok(())
}

/// Whether another process has the lock. The code says more than that in its upper bits.
fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_that_come_together_wait_together_for_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = Sqlite::open(&path).await.unwrap();
        let options = SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::ZERO);
        let mut other = options.connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

        let wait = Duration::from_millis(20);
        let conn = options.connect().await.unwrap();
        let mut writer = Writer { conn, wait, others_at: None };
        let (mut together, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..TOGETHER_MAX {
            let (reply, answer) = oneshot::channel();
            together.push(Box::new(Pending { operation: Migrate, output: None, reply }) as _);
            answers.push(answer);
        }
        let since = Instant::now();
        writer.answer(&mut together).await;
        assert!(since.elapsed() < wait * 128, "each has waited for itself");
        for answer in answers {
            assert!(answer.await.unwrap().unwrap_err().is_temporary());
        }
        drop(store);
    }
}

//! Connections to either database, and transactions over them.

use std::{path::Path, str::FromStr as _, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    Postgres, Sqlite, SqlitePool, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::{Conn, settings::StoreSettings, watch::Watch};
use crate::store::StoreError;

/// How long is waited for a connection, and for another process that writes to SQLite.
const WAIT: Duration = Duration::from_secs(30);
/// How long SQLite itself waits for it. It would look ever more seldom, while those that have just
/// written take the lock again and again.
const BUSY: Duration = Duration::from_millis(2);
/// How large the journal of SQLite stays after it has been larger.
const JOURNAL_BYTES: &str = "67108864";
/// Connections that read from SQLite, at least: a search keeps one while it scans.
const READERS: u32 = 4;
const READERS_MAX: u32 = 64;
/// A transaction of Postgres that sees one moment. It may stand still for as long as somebody reads a
/// large collection into memory for all that wait for it.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
                        SET LOCAL idle_in_transaction_session_timeout = '60s'";
/// How long a call waits for a connection to Postgres.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a transaction may stand still, in the words of Postgres: one of a process that was cut
/// off would keep its locks for as long as it is away.
const STILL: &str = "SET idle_in_transaction_session_timeout = '10s'";
/// How often a transaction is tried again that others came in the way of.
const TRIES: u32 = 8;

/// Clones share connections.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// SQLite has one writer at a time and waits for it unfairly, so writers queue here instead.
    Sqlite {
        reads: SqlitePool,
        writes: SqlitePool,
        /// How long it may take to read; nothing where readers and writers are one.
        statement: Option<Duration>,
    },
    Postgres(PgPool),
}

impl Database {
    pub(super) async fn file(path: &Path, settings: &StoreSettings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("journal_size_limit", JOURNAL_BYTES)
            // What a crash of the machine loses is indexed again: the job of it is not done then.
            .synchronous(SqliteSynchronous::Full)
            // The first connection may have to change the mode of the journal, which waits.
            .busy_timeout(WAIT)
            .disable_statement_logging();
        let writes = sqlite(options.clone(), 1).await?;
        let scans = u32::try_from(settings.scans_max).unwrap_or(READERS_MAX);
        let readers = scans.saturating_add(2).clamp(READERS, READERS_MAX);
        let reads = sqlite(options.pragma("query_only", "ON"), readers).await?;
        Ok(Self::Sqlite { reads, writes, statement: Some(settings.statement_max) })
    }

    pub(super) async fn memory() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true);
        let pool = sqlite(options.disable_statement_logging(), 1).await?;
        Ok(Self::Sqlite { reads: pool.clone(), writes: pool, statement: None })
    }

    pub(super) async fn postgres(
        url: &str,
        connections: u32,
        statement: Duration,
    ) -> Result<Self, StoreError> {
        // What is wrong is said without the address.
        let malformed = |_| StoreError::Address("it is no address of Postgres".to_owned());
        let options = PgConnectOptions::from_str(url).map_err(malformed)?;
        let options = options.application_name("alula documents").disable_statement_logging();
        let set_up = format!("{STILL}; SET statement_timeout = {}", statement.as_millis().max(1));
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(ACQUIRE)
            .after_connect(move |conn, _| {
                let set_up = sqlx::raw_sql(AssertSqlSafe(set_up.clone()));
                Box::pin(async move { set_up.execute(conn).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// A connection to Postgres by itself, for a statement that takes its time and is in no
    /// transaction.
    pub(super) async fn alone(&self) -> Result<Option<Alone>, StoreError> {
        let Self::Postgres(pool) = self else { return Ok(None) };
        let mut conn = pool.acquire().await?.detach();
        conn.execute("SET statement_timeout = 0").await?;
        Ok(Some(Alone(conn)))
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// A connection to read from.
    pub(super) async fn read(&self) -> Result<Session, StoreError> {
        Ok(match self {
            Self::Sqlite { reads, statement, .. } => {
                let mut conn = reads.acquire().await?;
                let watch = match statement {
                    Some(statement) => Some(Watch::over(&mut conn, *statement).await?),
                    None => None,
                };
                Session::Sqlite { conn, _watch: watch }
            }
            Self::Postgres(pool) => Session::Postgres(pool.acquire().await?),
        })
    }

    /// A transaction that reads. It sees all as it is at its first statement, whatever others do.
    pub(super) async fn snapshot(&self) -> Result<Session, StoreError> {
        Ok(match self {
            Self::Sqlite { reads, .. } => {
                Session::SqliteTransaction(reads.begin_with("BEGIN").await?)
            }
            Self::Postgres(pool) => Session::PostgresTransaction(begun(pool, SNAPSHOT).await?),
        })
    }

    /// Gives what is read next in SQLite as much time as a statement may take.
    pub(super) async fn watch(&self, session: &mut Session) -> Result<Option<Watch>, StoreError> {
        match (self, session.conn()) {
            (Self::Sqlite { statement: Some(statement), .. }, Conn::Sqlite(conn)) => {
                Watch::over(conn, *statement).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A transaction. What is not committed is undone when it is dropped.
    pub(super) async fn begin(&self) -> Result<Session, StoreError> {
        let writes = match self {
            Self::Sqlite { writes, .. } => writes,
            Self::Postgres(pool) => {
                return Ok(Session::PostgresTransaction(begun(pool, "BEGIN").await?));
            }
        };
        let since = Instant::now();
        loop {
            // The lock is taken at once: one that is taken later does not wait.
            match writes.begin_with("BEGIN IMMEDIATE").await {
                Ok(transaction) => return Ok(Session::SqliteTransaction(transaction)),
                // For the lock nobody queues: whoever looks when it is free has it.
                Err(error) if is_busy(&error) && since.elapsed() < WAIT => {
                    sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { reads, writes, .. } => {
                reads.close().await;
                writes.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction in Postgres. Its beginning goes on where nobody waits for it any more: given up
/// halfway, it would stay open in a connection of which sqlx takes it that there is none.
#[expect(clippy::disallowed_methods, reason = "it ends by itself, and nothing is lost with it")]
async fn begun(
    pool: &PgPool,
    how: &'static str,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(how).await }).await;
    Ok(begun.map_err(|_| StoreError::Closed)??)
}

/// Connections that stay: a database in memory goes with its last one.
async fn sqlite(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(WAIT)
        .after_connect(|conn, _| {
            let busy = format!("PRAGMA busy_timeout = {}", BUSY.as_millis());
            let busy = sqlx::raw_sql(AssertSqlSafe(busy));
            Box::pin(async move { busy.execute(conn).await.map(drop) })
        });
    Ok(pool.connect_with(options).await?)
}

/// Whether another process has the lock. The code says more than that in its upper bits.
fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

/// A connection that somebody has, perhaps with a transaction on it.
#[derive(Debug)]
pub(super) enum Session {
    Sqlite { conn: PoolConnection<Sqlite>, _watch: Option<Watch> },
    SqliteTransaction(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

impl Session {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite { conn, .. } => Conn::Sqlite(conn),
            Self::SqliteTransaction(transaction) => Conn::Sqlite(transaction),
            Self::Postgres(conn) => Conn::Postgres(conn),
            Self::PostgresTransaction(transaction) => Conn::Postgres(transaction),
        }
    }

    /// Makes what was done in the transaction stay.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::SqliteTransaction(transaction) => transaction.commit().await?,
            Self::PostgresTransaction(transaction) => transaction.commit().await?,
            Self::Sqlite { .. } | Self::Postgres(_) => {}
        }
        Ok(())
    }
}

/// A connection that nobody else will have.
#[derive(Debug)]
pub(super) struct Alone(PgConnection);

impl Alone {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        Conn::Postgres(&mut self.0)
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        Ok(self.0.close().await?)
    }
}

/// Counts how often a transaction was tried.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Whether a transaction that has failed is to be tried again, after a while that has passed.
    pub(super) async fn again(&mut self, error: &StoreError) -> bool {
        if !error.is_conflict() || self.0 >= TRIES {
            return false;
        }
        self.0 += 1;
        sleep(Duration::from_micros(fastrand::u64(..2_000 << self.0))).await;
        true
    }
}

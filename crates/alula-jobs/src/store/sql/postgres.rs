//! Jobs in Postgres.

use std::{
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::{Conn, Engine, Operation, enqueue::Enqueue, schema::Migrate};
use crate::{
    Clock, NewJob,
    store::{Enqueued, Store, StoreError},
};

/// The channel on which processes tell each other that something was queued.
const CHANNEL: &str = "alula_jobs";
/// How long a call waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a transaction may stand still, in the words of Postgres. A process that was stopped in
/// the middle of one, or was cut off, would keep its jobs from everybody for as long as it is away.
const STILL: &str = "SET idle_in_transaction_session_timeout = '5s'";
/// How long it takes until a lost connection to the channel is made again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Jobs in Postgres. Clones share its connections.
///
/// ```no_run
/// use alula_jobs::Postgres;
///
/// # async fn open() -> Result<(), alula_jobs::StoreError> {
/// let store = Postgres::open("postgres://app@localhost/app", 10).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Postgres(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    listener: Mutex<Option<PgListener>>,
    /// Something is to be told.
    is_news: AtomicBool,
    /// A task tells it.
    is_telling: AtomicBool,
    tasks: TaskTracker,
}

impl Postgres {
    /// Connects to `postgres://USER:PASSWORD@HOST/DATABASE` with at most so many connections, and
    /// makes the tables that are missing.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or is newer than this library.
    pub async fn open(url: &str, connections: u32) -> Result<Self, StoreError> {
        // What is wrong is said without the address.
        let malformed = |_| StoreError::Address("it is no address of Postgres".to_owned());
        let options = PgConnectOptions::from_str(url).map_err(malformed)?;
        let options = options.application_name("alula jobs").disable_statement_logging();
        let pool = pool(connections.max(2)).connect_with(options).await?;
        Self::with_pool(pool).await
    }

    /// Uses connections that are there, of which two are used at least: one listens all the time.
    /// Let them have an `idle_in_transaction_session_timeout` of some seconds, as those of
    /// [`open`](Self::open) do, so that a process that was stopped in the middle of a transaction
    /// does not keep its jobs from others.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or is newer than this library.
    pub async fn with_pool(pool: PgPool) -> Result<Self, StoreError> {
        let store = Self::of(pool);
        store.write(Migrate).await?;
        Ok(store)
    }

    fn of(pool: PgPool) -> Self {
        Self(Arc::new(Inner {
            pool,
            listener: Mutex::new(None),
            is_news: AtomicBool::new(false),
            is_telling: AtomicBool::new(false),
            tasks: TaskTracker::new(),
        }))
    }

    /// The same with a connection of its own, which is made when it is used.
    fn alone(&self) -> Self {
        let options = (*self.0.pool.connect_options()).clone();
        Self::of(pool(1).connect_lazy_with(options))
    }

    /// Enqueues jobs within a transaction of the caller's: they are there if it is committed, and
    /// not if it is not.
    ///
    /// ```no_run
    /// use alula_jobs::{Clock, NewJob, Postgres, Step};
    ///
    /// # async fn order(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("INSERT INTO orders (id) VALUES (7)").execute(&mut *transaction).await?;
    /// let job = NewJob::new(Step::new("confirm.v1"), &7)?;
    /// Postgres::enqueue_within(&mut transaction, &[job], &Clock::system()).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or refuses it; the transaction is of no use then.
    pub async fn enqueue_within(
        transaction: &mut PgConnection,
        jobs: &[NewJob],
        clock: &Clock,
    ) -> Result<Vec<Enqueued>, StoreError> {
        let enqueue = Enqueue::jobs(jobs, clock.now());
        let enqueued = enqueue.run(&mut Conn::Postgres(transaction)).await?;
        // It is told when the transaction is committed.
        let tell = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
        tell.execute(transaction).await?;
        Ok(enqueued)
    }
}

/// How often transactions are made that came in each other's way.
const TRIES_MAX: u32 = 4;

fn is_deadlock(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40P01" | "40001"))
}

impl Postgres {
    async fn transact<O: Operation>(&self, operation: &O) -> Result<O::Output, StoreError> {
        let mut transaction = self.0.pool.begin().await?;
        let output = operation.run(&mut Conn::Postgres(&mut transaction)).await?;
        transaction.commit().await?;
        Ok(output)
    }
}

impl Engine for Postgres {
    async fn write<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        if operation.is_one_statement() {
            // It is its own transaction: two ways to the server and back less.
            return self.read(operation).await;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.transact(&operation).await {
                // Transactions that came in each other's way do not the next time.
                Err(StoreError::Unavailable(error)) if tries < TRIES_MAX && is_deadlock(&error) => {
                }
                done => return done,
            }
        }
    }

    async fn read<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let mut conn = self.0.pool.acquire().await?;
        operation.run(&mut Conn::Postgres(&mut conn)).await
    }

    /// Not in the transaction, where it would make commits wait for each other; and once for all
    /// that comes while it is told.
    fn tell(&self) {
        self.0.is_news.store(true, SeqCst);
        if self.0.is_telling.swap(true, SeqCst) {
            return;
        }
        let inner = self.0.clone();
        self.0.tasks.spawn(async move {
            loop {
                while inner.is_news.swap(false, SeqCst) {
                    let tell = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
                    // Who does not hear of it looks now and then all the same.
                    let _ = tell.execute(&inner.pool).await;
                }
                inner.is_telling.store(false, SeqCst);
                // News may have come between the two.
                let is_mine = inner.is_news.load(SeqCst) && !inner.is_telling.swap(true, SeqCst);
                if !is_mine {
                    return;
                }
            }
        });
    }

    async fn changed(&self) {
        let mut listener = self.0.listener.lock().await;
        let heard = match &mut *listener {
            // Without a connection there may have been something, too.
            Some(listener) => listener.try_recv().await.is_ok(),
            // And so there may before the first one.
            None => {
                *listener = listen(&self.0.pool).await;
                listener.is_some()
            }
        };
        if !heard {
            *listener = None;
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    fn detached(&self) -> Arc<dyn Store> {
        Arc::new(self.alone())
    }

    async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        // Who listens at this moment hears of the close.
        if let Ok(mut listener) = self.0.listener.try_lock() {
            *listener = None;
        }
        self.0.pool.close().await;
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .after_connect(|conn, _| Box::pin(async { conn.execute(STILL).await.map(|_| ()) }))
}

async fn listen(pool: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(pool).await.ok()?;
    listener.listen(CHANNEL).await.ok()?;
    Some(listener)
}

#[cfg(test)]
#[expect(dead_code, reason = "others restart it")]
#[path = "../../../../alula-server/tests/support/postgres.rs"]
mod server;

#[cfg(test)]
mod tests {
    use super::{super::Sql, *};

    static SHOW: Sql = Sql::new("SELECT current_setting('idle_in_transaction_session_timeout')");

    #[derive(Debug)]
    struct Show;

    impl Operation for Show {
        type Output = String;

        async fn run(&self, conn: &mut Conn<'_>) -> Result<String, StoreError> {
            conn.row(&SHOW, &[]).await?.unwrap().text(0)
        }
    }

    #[tokio::test]
    async fn no_transaction_may_stand_still_for_long() {
        let Some(server) = server::Postgres::start() else { return };
        let store = Postgres::open(&server.url(), 2).await.unwrap();
        assert_eq!(store.write(Show).await.unwrap(), "5s");
        assert_eq!(store.alone().write(Show).await.unwrap(), "5s");
    }
}

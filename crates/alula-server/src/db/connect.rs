//! From an address to connections.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use alula::Secret;
use sqlx::{
    ConnectOptions as _, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{DbError, Pools};
use crate::private;

/// How long a statement waits for a connection, and SQLite for another process that writes.
const WAIT: Duration = Duration::from_secs(5);
/// How long a request waits for a Postgres that is away.
const ACQUIRE: Duration = Duration::from_secs(2);
/// SQLite reads from memory or a local disk, so few readers do.
const SQLITE_READERS: u32 = 4;
/// Connections to Postgres, of each process.
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long Postgres lets a connection work, wait for another one, and say nothing while the others
/// wait for it: a process that is gone, or its network, keeps nobody waiting for longer. Whoever sets
/// one in the address means it.
const POSTGRES_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "5s"),
];

/// Where the database is.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseUrl {
    /// A file, which is made if it is not there.
    File(PathBuf),
    /// SQLite in memory: gone with the process.
    Memory,
    /// Postgres; the address may hold a password.
    Postgres(Secret<String>),
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self::File("data/alula.db".into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(url.to_owned())));
        }
        let path = url.strip_prefix("sqlite:").ok_or(
            "expected sqlite://PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE",
        )?;
        match path.strip_prefix("//").unwrap_or(path) {
            ":memory:" => Ok(Self::Memory),
            "" => Err("sqlite: names no file"),
            path if path.contains('?') => Err("options after the path of SQLite are not known"),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// Opens the first connections.
pub(super) async fn pools(url: &DatabaseUrl) -> Result<Pools, DbError> {
    match url {
        DatabaseUrl::Postgres(url) => postgres(url.expose()).await,
        DatabaseUrl::File(path) => file(path).await,
        DatabaseUrl::Memory => {
            let options = SqliteConnectOptions::new().in_memory(true);
            let pool = sqlite(options.disable_statement_logging(), 1).await?;
            Ok(Pools::Sqlite { reads: pool.clone(), writes: pool })
        }
    }
}

async fn postgres(url: &str) -> Result<Pools, DbError> {
    // What is wrong is said without the address.
    let malformed = |_| DbError::Url("it is no address of Postgres".to_owned());
    let options = PgConnectOptions::from_str(url).map_err(malformed)?;
    let options = limited(options).application_name("alula").disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_with(options)
        .await
        .map_err(DbError::Unreachable)?;
    Ok(Pools::Postgres(pool))
}

/// With those of [`POSTGRES_LIMITS`] that the address does not set.
fn limited(options: PgConnectOptions) -> PgConnectOptions {
    // As in `-c lock_timeout=1s` or `--lock_timeout=1s`.
    let given = options.get_options().unwrap_or_default().to_owned();
    let is_given = |name| {
        let mut words = given.split([' ', '-']).filter_map(|word| word.split_once('='));
        words.any(|(word, _)| word == name || word.strip_prefix('c') == Some(name))
    };
    options.options(POSTGRES_LIMITS.into_iter().filter(|(name, _)| !is_given(name)))
}

async fn file(path: &Path) -> Result<Pools, DbError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::create_folder(folder).map_err(|error| {
            DbError::Url(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    // What SQLite makes itself, everybody may read; the files beside it are as this one. It is
    // there already, or SQLite says what is wrong.
    let _ = private::create_file(path);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash of the process loses nothing; one of the machine may lose the last moment.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(WAIT)
        .foreign_keys(true)
        .disable_statement_logging();
    let cannot = |error: DbError| match error {
        DbError::Unreachable(error) | DbError::Statement(error) => {
            DbError::Url(format!("cannot open {}: {error}", path.display()))
        }
        error => error,
    };
    let writes = sqlite(options.clone(), 1).await.map_err(cannot)?;
    let reads = sqlite(options.pragma("query_only", "ON"), SQLITE_READERS).await?;
    Ok(Pools::Sqlite { reads, writes })
}

/// Connections that stay: a database in memory goes with its last one.
async fn sqlite(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, DbError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(WAIT);
    Ok(pool.connect_with(options).await?)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Postgres, *};

    #[test]
    fn addresses() {
        let parsed = |url: &str| url.parse::<DatabaseUrl>();
        let file = |url: &str| match parsed(url) {
            Ok(DatabaseUrl::File(path)) => path,
            other => panic!("{url}: {other:?}"),
        };
        assert_eq!(file("sqlite://data/a.db"), Path::new("data/a.db"));
        assert_eq!(file("sqlite:///srv/a.db"), Path::new("/srv/a.db"));
        assert_eq!(file("sqlite:a.db"), Path::new("a.db"));
        assert!(matches!(parsed("sqlite::memory:"), Ok(DatabaseUrl::Memory)));
        assert!(matches!(parsed("postgresql://a@b/c"), Ok(DatabaseUrl::Postgres(_))));
        for wrong in ["mysql://a@b/c", "sqlite:", "sqlite://a.db?mode=ro", "a.db", ""] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        let shown = format!("{:?}", parsed("postgres://a:sk-secret@b/c").unwrap());
        assert!(!shown.contains("sk-secret"), "{shown}");
    }

    #[tokio::test]
    async fn postgres_keeps_nobody_waiting_for_long() {
        let Some(server) = Postgres::start() else { return };
        let url = format!("{}?options=-c%20deadlock_timeout=9s%20-clock_timeout=7s", server.url());
        let Pools::Postgres(pool) = postgres(&url).await.unwrap() else { panic!() };
        let mut set = Vec::new();
        for (name, _) in POSTGRES_LIMITS {
            let shown = sqlx::query_as("SELECT current_setting($1)").bind(name);
            let (value,): (String,) = shown.fetch_one(&pool).await.unwrap();
            set.push(value);
        }
        assert_eq!(set, ["30s", "7s", "5s"]);
        pool.close().await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_may_read_what_is_made() {
        use std::{fs, os::unix::fs::PermissionsExt as _};

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let made = folder.path().join("data/new");
        let opened = pools(&DatabaseUrl::File(made.join("alula.db"))).await.unwrap();
        let Pools::Sqlite { writes, .. } = &opened else { panic!("{opened:?}") };
        sqlx::query("CREATE TABLE t (n INT)").execute(writes).await.unwrap();
        assert_eq!([mode(folder.path()), mode(&made)], [0o755, 0o700]);
        for entry in fs::read_dir(&made).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        // What is there stays as somebody wanted it.
        let old = folder.path().join("old.db");
        fs::write(&old, "").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
        pools(&DatabaseUrl::File(old.clone())).await.unwrap();
        assert_eq!(mode(&old), 0o640);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::File(folder.path().to_owned());
        let error = pools(&url).await.unwrap_err().to_string();
        assert!(error.starts_with("DATABASE_URL: cannot open "), "{error}");
    }
}

//! Databases for tests.

use super::{DatabaseUrl, Db, DbError};

#[path = "../../tests/support/postgres.rs"]
mod postgres;

pub(crate) use postgres::Postgres;

/// Runs a test on SQLite in memory, in a file, and on Postgres if there is one.
pub(crate) async fn on_each(test: impl AsyncFn(&Db) -> Result<(), DbError>) {
    let folder = tempfile::tempdir().unwrap();
    let file = DatabaseUrl::File(folder.path().join("sub/alula.db"));
    for url in [DatabaseUrl::Memory, file] {
        run(&url, &test).await;
    }
    if let Some(postgres) = Postgres::start() {
        run(&postgres.url().parse().unwrap(), &test).await;
    }
}

async fn run(url: &DatabaseUrl, test: impl AsyncFn(&Db) -> Result<(), DbError>) {
    let db = Db::open(url).await.unwrap();
    test(&db).await.unwrap_or_else(|error| panic!("on {}: {error}", db.name()));
    db.close().await;
}

//! The databases that a server can have.

use crate::postgres::Postgres;

/// Runs a test on SQLite, and on Postgres if there is one, with the address of each.
pub(crate) async fn on_each(test: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    test(&format!("sqlite://{}", folder.path().join("alula.db").display())).await;
    if let Some(postgres) = Postgres::start() {
        test(&postgres.url()).await;
    }
}

use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;

/// What the first version has made, with a job that waits and one that has ended.
fn first(tables: &str) -> String {
    format!(
        "CREATE TABLE job_migrations (number BIGINT PRIMARY KEY); \
         INSERT INTO job_migrations (number) VALUES (1); {tables} \
         INSERT INTO jobs (id, queue, name, max_attempts, steps, state, priority, created_at, \
         run_at, finished_at, args, result, error, progress) VALUES \
         ('job_0000000000000000000000000000000a', 'default', 'a', 5, 1, 1, 0, 7, 8, NULL, \
         '\"args\"', NULL, 'why', '{{\"done\":3}}'), \
         ('job_0000000000000000000000000000000b', 'default', 'b', 5, 1, 4, 0, 7, 8, 9, \
         'null', '\"result\"', NULL, NULL)"
    )
}

async fn check(store: &dyn Store) {
    let id = |last: char| format!("job_{}{last}", "0".repeat(31)).parse::<JobId>().unwrap();
    let (open, ended) = (get(store, id('a')).await, get(store, id('b')).await);
    assert_eq!((open.state, open.args.get()), (JobState::Queued, r#""args""#));
    assert_eq!((open.error.as_deref(), open.label.as_deref()), (Some("why"), None));
    assert_eq!(open.progress.as_ref().map(|progress| progress.done), Some(3));
    assert_eq!(ended.result::<String>().unwrap().as_deref(), Some("result"));
    assert_eq!(ended.finished_at, Some(Timestamp::from_millis(9)));
    let claim = claim_one(store, NOW).await;
    assert_eq!(claim.held.id, id('a'));
    assert!(finish(store, done(&claim, "done"), NOW).await);
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    let tables = first(include_str!("../../../src/store/sql/schema/0001_jobs.sqlite.sql"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(tables)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    for _ in 0..2 {
        Sqlite::open(&path).await.unwrap();
    }
    check(&Sqlite::open(&path).await.unwrap()).await;
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let Some(postgres) = postgres::Postgres::start() else { return };
    let mut conn = PgConnection::connect(&postgres.url()).await.unwrap();
    let tables = first(include_str!("../../../src/store/sql/schema/0001_jobs.postgres.sql"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(tables)).execute(&mut conn).await.unwrap();
    check(&Postgres::open(&postgres.url(), 2).await.unwrap()).await;
}

//! How SQLite goes about the statements whose work must not grow with jobs that do not matter to
//! them.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Conn, Operation, Sqlite, claim::CLAIM, engine::Engine as _, look, maintain::SWEEP};
use crate::{
    JobState,
    store::{Filter, StoreError},
};

/// What SQLite says of a statement.
#[derive(Debug)]
struct Explain(String);

impl Operation for Explain {
    type Output = String;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<String, StoreError> {
        let Conn::Sqlite(conn) = conn else { return Ok(String::new()) };
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", self.0));
        let rows = sqlx::query(explain).fetch_all(&mut **conn).await?;
        let lines = rows.iter().map(|row| row.get::<String, _>("detail"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}

async fn check(sql: &str, steps: &[&str]) {
    let store = Sqlite::in_memory().await.unwrap();
    let plan = store.write(Explain(sql.to_owned())).await.unwrap();
    for step in steps {
        assert!(plan.contains(step), "{sql}\nlacks `{step}`:\n{plan}");
    }
}

#[tokio::test]
async fn a_claim_and_a_look_do_not_see_jobs_of_unknown_names() {
    let first = "SEARCH jobs USING COVERING INDEX jobs_queued (queue=? AND name=?)";
    let plan = [first, "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"];
    check(CLAIM.sqlite(), &plan).await;
    check(look::LOOK.sqlite(), &[first]).await;
}

#[tokio::test]
async fn the_failed_jobs_of_an_owner_are_found_by_an_index() {
    let filter = Filter {
        owner: Some("me"),
        queue: Some("requests"),
        states: &[JobState::Failed],
        ..Filter::default()
    };
    let sql = look::List::new(&filter).sql("id");
    let index = "USING INDEX jobs_owned_ended (owner=? AND queue=? AND state=?)";
    check(&sql, &[index]).await;
}

#[tokio::test]
async fn a_sweep_begins_with_the_oldest() {
    let oldest = "SEARCH jobs USING INDEX jobs_ended (finished_at<?)";
    check(SWEEP.sqlite(), &[oldest]).await;
}

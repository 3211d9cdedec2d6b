//! The end of old rows.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::time::DAY;
use crate::{
    db::{Db, DbError},
    time::Timestamp,
};

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Rows of one statement: few, so that nobody waits for it.
const STEP_ROWS: u32 = 1_000;
/// Between two statements others have their turn.
const PAUSE: Duration = Duration::from_millis(50);

/// Deletes rows that are older than so many days, until the ledger is closed.
pub(super) async fn run(db: Db, days: u32, closing: CancellationToken) {
    let pruning = async {
        loop {
            match prune(&db, Timestamp::now().as_millis() - i64::from(days) * DAY).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, days, "old usage is deleted"),
                Err(error) => tracing::warn!(%error, "old usage is not deleted"),
            }
            sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = pruning => {}
    }
}

async fn prune(db: &Db, before: i64) -> Result<u64, DbError> {
    let mut rows = 0;
    loop {
        let step = db.delete_usage_before(before, STEP_ROWS).await?;
        rows += step;
        if step < u64::from(STEP_ROWS) {
            return Ok(rows);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::row::tests::row_at, *};
    use crate::db::{testing::on_each, usage::Filter};

    #[tokio::test]
    async fn only_old_rows_go() {
        on_each(async |db| {
            let rows: Vec<_> = (0..i64::from(STEP_ROWS) + 5).map(row_at).collect();
            db.insert_usage(&rows).await?;
            db.insert_usage(&[row_at(DAY)]).await?;
            assert_eq!(prune(db, DAY).await?, u64::from(STEP_ROWS) + 5);
            let left = db.usage_calls(&Filter::between(0, 2 * DAY), None, 9).await?;
            assert_eq!(left.iter().map(|call| call.row.at).collect::<Vec<_>>(), [DAY]);
            Ok(())
        })
        .await;
    }
}

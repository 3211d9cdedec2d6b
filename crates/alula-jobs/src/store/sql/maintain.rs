//! What has to be done now and then.

use super::{
    Conn, Operation, Sql,
    end::{self, ended},
    rows,
};
use crate::{
    JobId, Timestamp,
    store::{Retention, StoreError},
};

/// How many jobs one call takes from workers that are gone.
const REAPED_MAX: i64 = 1_000;

static PROMOTE: Sql = Sql::new(
    "WITH due AS MATERIALIZED (SELECT id FROM jobs WHERE state = 0 AND run_at <= $1 \
     ORDER BY run_at LIMIT $2 {skip}) \
     UPDATE jobs SET state = 1 WHERE id IN (SELECT id FROM due)",
);
static EXPIRED: Sql = Sql::new(
    "SELECT DISTINCT parent FROM jobs WHERE state = 2 AND lease_until < $1 \
     AND parent IS NOT NULL LIMIT $2",
);
static REAP: Sql = Sql::new(
    "WITH gone AS MATERIALIZED (SELECT id FROM jobs WHERE state = 2 AND lease_until < $1 \
     LIMIT $2 {skip}) \
     UPDATE jobs SET state = CASE WHEN attempts >= max_attempts THEN 5 ELSE 1 END, \
     finished_at = CASE WHEN attempts >= max_attempts THEN $1 END, token = token + 1, \
     worker = NULL, lease_until = NULL, \
     error = 'the worker that had it is gone: it did not renew its lease' \
     WHERE id IN (SELECT id FROM gone) RETURNING id, token, state, parent, on_end",
);
pub(super) static SWEEP: Sql = Sql::new(
    "WITH old AS MATERIALIZED (SELECT id FROM jobs WHERE state >= 4 AND finished_at < $1 \
     AND CASE WHEN parent IS NULL \
     THEN finished_at < CASE WHEN state = 5 THEN $3 ELSE $2 END AND NOT EXISTS \
     (SELECT 1 FROM jobs AS child WHERE child.parent = jobs.id AND child.state < 4) \
     ELSE NOT EXISTS (SELECT 1 FROM jobs AS above WHERE above.id = jobs.parent) END \
     ORDER BY finished_at LIMIT $4 {skip}) \
     DELETE FROM jobs WHERE id IN (SELECT id FROM old)",
);

/// Queues what was scheduled.
#[derive(Debug)]
pub(super) struct Promote {
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Promote {
    type Output = u64;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<u64, StoreError> {
        let binds = [self.now.as_millis().into(), i64::from(self.limit).into()];
        conn.execute(&PROMOTE, &binds).await
    }
}

/// Takes jobs from workers that are gone.
#[derive(Debug)]
pub(super) struct Reap {
    pub(super) now: Timestamp,
}

impl Operation for Reap {
    type Output = u64;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<u64, StoreError> {
        let now = self.now.as_millis();
        // Parents are locked before their children, as everywhere.
        let parents = conn.rows(&EXPIRED, &[now.into(), REAPED_MAX.into()]).await?;
        let parents = parents.iter().map(|row| rows::id(&row.text(0)?));
        end::lock(conn, &parents.collect::<Result<Vec<JobId>, _>>()?).await?;
        let taken = conn.rows(&REAP, &[now.into(), REAPED_MAX.into()]).await?;
        let mut over = Vec::new();
        for row in &taken {
            over.extend(ended(row)?);
        }
        end::follow(conn, over, Vec::new(), self.now).await?;
        Ok(u64::try_from(taken.len()).unwrap_or(u64::MAX))
    }
}

/// Forgets what ended long ago: a job first, then its children, of which there may be many.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) retention: Retention,
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Sweep {
    type Output = u64;

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn run(&self, conn: &mut Conn<'_>) -> Result<u64, StoreError> {
        let before = |kept: std::time::Duration| {
            let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
            self.now.as_millis().saturating_sub(kept)
        };
        let (done, failed) = (before(self.retention.done), before(self.retention.failed));
        let binds =
            [done.max(failed).into(), done.into(), failed.into(), i64::from(self.limit).into()];
        conn.execute(&SWEEP, &binds).await
    }
}

//! What has to be done now and then.

use super::{
    Conn, Operation, Sql,
    end::{self, ended},
    rows::{self, texts},
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
static WAITING: Sql = Sql::new(
    "SELECT id FROM jobs WHERE state = 3 AND NOT EXISTS \
     (SELECT 1 FROM jobs AS child WHERE child.parent = jobs.id AND child.state < 4) LIMIT $1",
);
static SWEEP: Sql = Sql::new(
    "WITH old AS MATERIALIZED (SELECT id FROM jobs WHERE state >= 4 AND finished_at < $1 \
     AND finished_at < CASE WHEN state = 5 THEN $3 ELSE $2 END AND parent IS NULL \
     AND NOT EXISTS (SELECT 1 FROM jobs AS child WHERE child.parent = jobs.id AND child.state < 4) \
     ORDER BY finished_at LIMIT $4 {skip}) \
     DELETE FROM jobs WHERE id IN (SELECT id FROM old) RETURNING id",
);
static SWEEP_CHILDREN: Sql = Sql::new("DELETE FROM jobs WHERE parent IN {texts$1} RETURNING id");

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
        let waiting = conn.rows(&WAITING, &[REAPED_MAX.into()]).await?;
        let waiting = waiting.iter().map(|row| rows::id(&row.text(0)?));
        let waiting = waiting.collect::<Result<Vec<JobId>, _>>()?;
        let count = taken.len() + waiting.len();
        end::follow(conn, over, waiting, self.now).await?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

/// Forgets what ended long ago.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) retention: Retention,
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Sweep {
    type Output = u64;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<u64, StoreError> {
        let before = |kept: std::time::Duration| {
            let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
            self.now.as_millis().saturating_sub(kept)
        };
        let (done, failed) = (before(self.retention.done), before(self.retention.failed));
        let binds =
            [done.max(failed).into(), done.into(), failed.into(), i64::from(self.limit).into()];
        let mut gone = conn.rows(&SWEEP, &binds).await?;
        let mut count = gone.len();
        while !gone.is_empty() {
            let parents = gone.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
            gone = conn.rows(&SWEEP_CHILDREN, &[(&texts(parents)).into()]).await?;
            count += gone.len();
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

//! Taking jobs, and keeping them.

use serde::Serialize;

use super::{
    Conn, Operation, Sql, end,
    rows::{self, array, texts},
};
use crate::{
    JobId, Progress, Timestamp,
    store::{Ask, Claim, Held, QueueLimits, Rate, StoreError},
};

/// Which queue a lock is of, beside the other locks of a database.
const LOCK: i64 = 0x616c_756c;

static LOCK_QUEUE: Sql = Sql::new(
    "SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock(CAST($1 AS INTEGER), hashtext($2))) AS locked",
);
static RUNNING: Sql = Sql::new("SELECT COUNT(*) FROM jobs WHERE state = 2 AND queue = $1");
static NEXT_AT: Sql = Sql::new("SELECT next_at FROM job_rates WHERE queue = $1");
static SET_NEXT_AT: Sql = Sql::new(
    "INSERT INTO job_rates (queue, next_at) VALUES ($1, $2) \
     ON CONFLICT (queue) DO UPDATE SET next_at = excluded.next_at",
);

/// Takes the first `$3` jobs of a queue, out of the first of each name: what is queued by other
/// names is not looked at.
macro_rules! claim {
    ($first:literal) => {
        concat!(
            "WITH ready AS MATERIALIZED (",
            $first,
            " ORDER BY job.priority DESC, job.run_at, job.id LIMIT $3) \
             UPDATE jobs SET state = 2, token = token + 1, attempts = attempts + 1, worker = $4, \
             lease_until = $5, started_at = $6 WHERE id IN (SELECT id FROM ready) \
             RETURNING {claimed}"
        )
    };
}

/// In Postgres, those that are not among the first after all are kept from others for this moment.
pub(super) static CLAIM: Sql = Sql::two(
    claim!(
        "SELECT job.id FROM json_each($2) AS known, jobs AS job WHERE job.rowid IN \
         (SELECT rowid FROM jobs WHERE state = 1 AND queue = $1 AND name = known.value \
         ORDER BY priority DESC, run_at, id LIMIT $3)"
    ),
    claim!(
        "SELECT job.id FROM {each$2} AS known CROSS JOIN LATERAL \
         (SELECT id, priority, run_at FROM jobs WHERE state = 1 AND queue = $1 \
         AND name = known.value ORDER BY priority DESC, run_at, id LIMIT $3 {skip}) AS job"
    ),
);
static GIVE_UP: Sql = Sql::new(
    "UPDATE jobs SET state = 5, finished_at = $2, worker = NULL, lease_until = NULL, \
     error = 'it cannot be read' WHERE id IN {texts$1} RETURNING id, token, state, parent, on_end",
);
static RENEW: Sql = Sql::new(
    "WITH mine AS MATERIALIZED (SELECT id FROM jobs WHERE state = 2 AND (id, token) IN \
     (SELECT r.id, r.token FROM {rows: id TEXT, token BIGINT}) {skip}) \
     UPDATE jobs SET lease_until = $2 WHERE id IN (SELECT id FROM mine)",
);
static HELD: Sql = Sql::new(
    "SELECT id, token FROM jobs WHERE state = 2 AND (id, token) IN \
     (SELECT r.id, r.token FROM {rows: id TEXT, token BIGINT})",
);
static PROGRESS: Sql = Sql::new(
    "WITH mine AS MATERIALIZED (SELECT id FROM jobs WHERE state = 2 AND (id, token) IN \
     (SELECT r.id, r.token FROM {rows: id TEXT, token BIGINT}) {skip}) \
     UPDATE jobs SET progress = r.progress FROM {rows: id TEXT, progress TEXT} \
     WHERE jobs.id = r.id AND jobs.id IN (SELECT id FROM mine)",
);

/// Takes jobs.
#[derive(Debug)]
pub(super) struct ClaimJobs {
    worker: String,
    until: i64,
    now: Timestamp,
    queues: Vec<(String, u32, QueueLimits)>,
    names: String,
}

impl ClaimJobs {
    pub(super) fn new(ask: &Ask<'_>, now: Timestamp) -> Self {
        let queues = ask.queues.iter();
        Self {
            worker: ask.worker.to_owned(),
            until: ask.until.as_millis(),
            now,
            queues: queues
                .map(|queue| (queue.name.to_owned(), queue.count, queue.limits))
                .collect(),
            names: texts(ask.names),
        }
    }
}

impl Operation for ClaimJobs {
    type Output = Vec<Claim>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Claim>, StoreError> {
        let mut claims = Vec::new();
        for (queue, count, limits) in &self.queues {
            let mut count = *count;
            if limits.running_max.is_some() || limits.rate.is_some() {
                count = count.min(room(conn, queue, limits, self.now).await?);
            }
            if count == 0 {
                continue;
            }
            let binds = [
                queue.into(),
                (&self.names).into(),
                i64::from(count).into(),
                (&self.worker).into(),
                self.until.into(),
                self.now.as_millis().into(),
            ];
            let mut taken = Vec::new();
            let mut spoiled = Vec::new();
            for row in conn.rows(&CLAIM, &binds).await? {
                match rows::claim(&row) {
                    Ok(claim) => taken.push(claim),
                    // It must not stand in the way of those behind it.
                    Err(StoreError::Malformed(_)) => spoiled.push(row.text(0)?),
                    Err(error) => return Err(error),
                }
            }
            give_up(conn, &spoiled, self.now).await?;
            // The answer is in no order.
            taken.sort_by_key(|it| (std::cmp::Reverse(it.priority), it.run_at, it.held.id));
            if let Some(rate) = limits.rate {
                note_begun(conn, queue, rate, taken.len(), self.now).await?;
            }
            claims.append(&mut taken);
        }
        Ok(claims)
    }
}

/// Gives jobs up that cannot be read.
async fn give_up(
    conn: &mut Conn<'_>,
    spoiled: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    if spoiled.is_empty() {
        return Ok(());
    }
    tracing::error!(jobs = ?spoiled, "jobs cannot be read, and are given up");
    let given_up = conn.rows(&GIVE_UP, &[(&texts(spoiled)).into(), now.as_millis().into()]).await?;
    let over = given_up.iter().filter_map(|row| end::ended(row).ok().flatten());
    end::follow(conn, over.collect(), Vec::new(), now).await?;
    Ok(())
}

/// How many more jobs of a queue may begin now, over all workers. No other worker takes any of them
/// until the transaction has ended.
async fn room(
    conn: &mut Conn<'_>,
    queue: &str,
    limits: &QueueLimits,
    now: Timestamp,
) -> Result<u32, StoreError> {
    if conn.is_postgres() {
        conn.row(&LOCK_QUEUE, &[LOCK.into(), queue.into()]).await?;
    }
    let mut room = u32::MAX;
    if let Some(max) = limits.running_max {
        let row = conn.row(&RUNNING, &[queue.into()]).await?;
        let running = row.map_or(Ok(0), |row| row.int(0))?;
        room = u32::try_from(i64::from(max) - running).unwrap_or_default();
    }
    if let Some(rate) = limits.rate {
        let row = conn.row(&NEXT_AT, &[queue.into()]).await?;
        let next_at = row.map(|row| row.int(0)).transpose()?;
        room = room.min(begin_now(rate, next_at, now));
    }
    Ok(room)
}

/// How many may begin. It is the generic cell rate algorithm: `next_at` is when the queue would be
/// through if its jobs began evenly, which may be ahead by the time of the whole rate.
fn begin_now(rate: Rate, next_at: Option<i64>, now: Timestamp) -> u32 {
    let per = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX);
    let ahead = next_at.unwrap_or_default().saturating_sub(now.as_millis()).max(0);
    let free = per.saturating_sub(ahead).max(0);
    let count = i128::from(free) * i128::from(rate.count) / i128::from(per.max(1));
    u32::try_from(count).unwrap_or(rate.count).min(rate.count)
}

async fn note_begun(
    conn: &mut Conn<'_>,
    queue: &str,
    rate: Rate,
    begun: usize,
    now: Timestamp,
) -> Result<(), StoreError> {
    if begun == 0 {
        return Ok(());
    }
    let row = conn.row(&NEXT_AT, &[queue.into()]).await?;
    let from = row.map_or(Ok(0), |row| row.int(0))?.max(now.as_millis());
    let next_at = from.saturating_add(spread(rate, begun));
    conn.execute(&SET_NEXT_AT, &[queue.into(), next_at.into()]).await?;
    Ok(())
}

/// How many milliseconds so many jobs are of a rate, rounded up.
fn spread(rate: Rate, begun: usize) -> i64 {
    let per = i128::try_from(rate.per.as_millis()).unwrap_or(i128::MAX);
    let begun = i128::try_from(begun).unwrap_or(i128::MAX);
    let count = i128::from(rate.count.max(1));
    let millis = per.saturating_mul(begun).saturating_add(count - 1) / count;
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Renews leases.
#[derive(Debug)]
pub(super) struct Renew {
    held: Vec<HeldRow>,
    until: i64,
    progress: Vec<ProgressRow>,
}

#[derive(Debug, Serialize)]
struct HeldRow {
    id: JobId,
    token: i64,
}

#[derive(Debug, Serialize)]
struct ProgressRow {
    id: JobId,
    token: i64,
    progress: String,
}

impl Renew {
    pub(super) fn new(held: &[Held], until: Timestamp, progress: &[(Held, Progress)]) -> Self {
        let row = |(held, progress): &(Held, Progress)| {
            let message = progress.message.as_deref().map(|text| rows::clean(text).into_owned());
            let progress = Progress { message, ..*progress };
            let progress = serde_json::to_string(&progress).ok()?;
            Some(ProgressRow { id: held.id, token: held.token, progress })
        };
        let progress = progress.iter().filter_map(row).collect();
        let held = held.iter().map(|&Held { id, token }| HeldRow { id, token }).collect();
        Self { held, until: until.as_millis(), progress }
    }
}

impl Operation for Renew {
    type Output = Vec<Held>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Held>, StoreError> {
        let these = array(&self.held)?;
        conn.execute(&RENEW, &[(&these).into(), self.until.into()]).await?;
        if !self.progress.is_empty() {
            conn.execute(&PROGRESS, &[(&array(&self.progress)?).into()]).await?;
        }
        // Also those that somebody has locked at this moment: they are not lost for that.
        let held = conn.rows(&HELD, &[(&these).into()]).await?;
        held.iter().map(rows::held).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_lets_its_count_begin_at_once_and_then_evenly() {
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let at = Timestamp::from_millis;
        assert_eq!(begin_now(rate, None, at(5_000)), 10);
        let next_at = Some(5_000 + spread(rate, 10));
        assert_eq!(begin_now(rate, next_at, at(5_000)), 0);
        assert_eq!(begin_now(rate, next_at, at(5_099)), 0);
        assert_eq!(begin_now(rate, next_at, at(5_100)), 1);
        assert_eq!(begin_now(rate, next_at, at(5_550)), 5);
        assert_eq!(begin_now(rate, next_at, at(99_000)), 10);
        let none = Rate { count: 0, per: Duration::from_secs(1) };
        assert_eq!(begin_now(none, None, at(5_000)), 0);
    }
}

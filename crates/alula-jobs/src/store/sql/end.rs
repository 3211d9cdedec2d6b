//! What follows the end of a job: the one that was to be enqueued then, and its parent.

use super::{
    Conn, Operation as _, Row, Sql,
    enqueue::Enqueue,
    rows::{self, texts},
};
use crate::{
    Ended, JobId, JobState, NewJob, Timestamp,
    job::OnEnd,
    store::{Held, StoreError},
};

static LOCK: Sql = Sql::new("SELECT id FROM jobs WHERE id IN {texts$1} ORDER BY id {lock}");
static JOIN: Sql = Sql::new(
    "UPDATE jobs SET state = CASE WHEN name = '' THEN 4 ELSE 1 END, run_at = $2, \
     finished_at = CASE WHEN name = '' THEN $2 END \
     WHERE state = 3 AND id IN {texts$1} AND NOT EXISTS \
     (SELECT 1 FROM jobs AS child WHERE child.parent = jobs.id AND child.state < 4) \
     RETURNING id, token, state, parent, on_end",
);

/// A job that has ended.
#[derive(Debug)]
pub(super) struct Over {
    held: Held,
    state: JobState,
    parent: Option<JobId>,
    on_end: Option<OnEnd>,
}

/// Reads `id, token, state, parent, on_end` of a job that a statement has changed, if it has ended.
pub(super) fn ended(row: &Row) -> Result<Option<Over>, StoreError> {
    let state = rows::state(row.int(2)?)?;
    if !state.is_final() {
        return Ok(None);
    }
    Ok(Some(Over {
        held: rows::held(row)?,
        state,
        parent: row.maybe_text(3)?.as_deref().map(rows::id).transpose()?,
        on_end: row.maybe_text(4)?.as_deref().and_then(readable),
    }))
}

/// What follows a job. One that cannot be read must not stand in the way of its end.
fn readable(on_end: &str) -> Option<OnEnd> {
    let read = rows::json(on_end, "what follows a job");
    read.inspect_err(|error| tracing::error!(%error, on_end, "nothing follows a job")).ok()
}

/// Locks jobs, always in the same order, until the transaction has ended.
pub(super) async fn lock(conn: &mut Conn<'_>, jobs: &[JobId]) -> Result<(), StoreError> {
    if conn.is_postgres() && !jobs.is_empty() {
        conn.rows(&LOCK, &[(&texts(jobs)).into()]).await?;
    }
    Ok(())
}

/// Does what follows these ends, and says whether that was anything. It also lets those go on that
/// wait for nothing any more: the parents of these, and `waiting`.
pub(super) async fn follow(
    conn: &mut Conn<'_>,
    mut over: Vec<Over>,
    mut waiting: Vec<JobId>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut is_more = false;
    loop {
        let next: Vec<NewJob> = over.iter().filter_map(Over::next).collect();
        if !next.is_empty() {
            Enqueue::jobs(&next, now).run(conn).await?;
            is_more = true;
        }
        waiting.extend(over.iter().filter_map(|over| over.parent));
        if waiting.is_empty() {
            return Ok(is_more);
        }
        waiting.sort_unstable();
        waiting.dedup();
        lock(conn, &waiting).await?;
        let parents = texts(&waiting);
        let joined = conn.rows(&JOIN, &[(&parents).into(), now.as_millis().into()]).await?;
        is_more |= !joined.is_empty();
        // A parent may be a child itself.
        over = joined.iter().filter_map(|row| ended(row).transpose()).collect::<Result<_, _>>()?;
        waiting.clear();
    }
}

impl Over {
    /// The job that was to be enqueued.
    fn next(&self) -> Option<NewJob> {
        let OnEnd { step, rest, context } = self.on_end.clone()?;
        let Held { id, token } = self.held;
        let mut next =
            NewJob::new(step, &Ended { job: id, state: self.state, token, context }).ok()?;
        next.rest = rest;
        next.id = id.follower(token);
        Some(next)
    }
}

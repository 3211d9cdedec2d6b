//! Stopping jobs.

use super::{
    Conn, Operation, Sql,
    end::{self, ended},
    rows::{self, texts},
};
use crate::{
    JobId, JobState, Timestamp,
    store::{Cancelled, StoreError},
};

static FAMILY: Sql = Sql::new("SELECT parent FROM jobs WHERE id = $1");
static STATE: Sql = Sql::new("SELECT state, name, unique_key FROM jobs WHERE id = $1 {lock}");
static CANCEL: Sql = Sql::new(
    "UPDATE jobs SET state = 6, token = token + 1, finished_at = $2, worker = NULL, \
     lease_until = NULL WHERE id IN {texts$1} AND state < 4 \
     RETURNING id, token, state, parent, on_end",
);
static CHILDREN: Sql =
    Sql::new("SELECT id FROM jobs WHERE parent IN {texts$1} AND state < 4 ORDER BY id {lock}");

/// Stops a job.
#[derive(Debug)]
pub(super) struct Cancel {
    pub(super) id: JobId,
    pub(super) now: Timestamp,
}

impl Operation for Cancel {
    type Output = Option<Cancelled>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<Cancelled>, StoreError> {
        let Some((state, ..)) = locked(conn, self.id).await? else { return Ok(None) };
        let mut cancelled = Cancelled { before: state, stopped: Vec::new() };
        if state.is_final() {
            return Ok(Some(cancelled));
        }
        let mut family = vec![self.id];
        let mut over = Vec::new();
        while !family.is_empty() {
            let these = texts(&family);
            for row in conn.rows(&CANCEL, &[(&these).into(), self.now.as_millis().into()]).await? {
                cancelled.stopped.push(rows::held(&row)?);
                over.extend(ended(&row)?);
            }
            let children = conn.rows(&CHILDREN, &[(&these).into()]).await?;
            family = children
                .iter()
                .map(|row| rows::id(&row.text(0)?))
                .collect::<Result<_, StoreError>>()?;
        }
        end::follow(conn, over, Vec::new(), self.now).await?;
        Ok(Some(cancelled))
    }
}

/// The state, name and unique key of a job, which nobody else changes until the transaction has
/// ended. The parent is locked before it, as everywhere.
pub(super) async fn locked(
    conn: &mut Conn<'_>,
    id: JobId,
) -> Result<Option<(JobState, String, Option<String>)>, StoreError> {
    let text = id.to_string();
    let Some(family) = conn.row(&FAMILY, &[(&text).into()]).await? else { return Ok(None) };
    let parent = family.maybe_text(0)?.as_deref().map(rows::id).transpose()?;
    end::lock(conn, parent.as_slice()).await?;
    let Some(row) = conn.row(&STATE, &[(&text).into()]).await? else { return Ok(None) };
    Ok(Some((rows::state(row.int(0)?)?, row.text(1)?, row.maybe_text(2)?)))
}

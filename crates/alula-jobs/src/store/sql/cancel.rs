//! Stopping jobs, and beginning them anew.

use super::{
    Conn, Operation, Sql,
    end::{self, ended},
    rows::{self, texts},
};
use crate::{JobId, JobState, Timestamp, store::StoreError};

static FAMILY: Sql = Sql::new("SELECT parent FROM jobs WHERE id = $1");
static STATE: Sql = Sql::new("SELECT state, name, unique_key FROM jobs WHERE id = $1 {lock}");
static CANCEL: Sql = Sql::new(
    "UPDATE jobs SET state = 6, token = token + 1, finished_at = $2, worker = NULL, \
     lease_until = NULL WHERE id IN {texts$1} AND state < 4 \
     RETURNING id, token, state, parent, on_end",
);
static CHILDREN: Sql =
    Sql::new("SELECT id FROM jobs WHERE parent IN {texts$1} AND state < 4 ORDER BY id {lock}");
static OF_KEY: Sql = Sql::new("SELECT id FROM jobs WHERE unique_key = $1 AND state < 4");
static RETRY_CHILDREN: Sql = Sql::new(
    "UPDATE jobs SET state = CASE WHEN name = '' THEN 3 ELSE 1 END, token = token + 1, \
     attempts = 0, run_at = $2, finished_at = NULL, \
     error = NULL, progress = NULL, result = CASE WHEN name = '' THEN result END \
     WHERE parent = $1 AND state IN (5, 6)",
);
static UNFINISHED: Sql = Sql::new("SELECT COUNT(*) FROM jobs WHERE parent = $1 AND state < 4");
static RETRY: Sql = Sql::new(
    "UPDATE jobs SET state = $2, token = token + 1, attempts = 0, run_at = $3, \
     finished_at = NULL, error = NULL, progress = NULL, \
     result = CASE WHEN name = '' THEN result END WHERE id = $1",
);

/// Stops a job.
#[derive(Debug)]
pub(super) struct Cancel {
    pub(super) id: JobId,
    pub(super) now: Timestamp,
}

impl Operation for Cancel {
    type Output = Option<JobState>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<JobState>, StoreError> {
        let Some((state, ..)) = locked(conn, self.id).await? else { return Ok(None) };
        if state.is_final() {
            return Ok(Some(state));
        }
        let mut family = vec![self.id];
        let mut over = Vec::new();
        while !family.is_empty() {
            let these = texts(&family);
            for row in conn.rows(&CANCEL, &[(&these).into(), self.now.as_millis().into()]).await? {
                over.extend(ended(&row)?);
            }
            let children = conn.rows(&CHILDREN, &[(&these).into()]).await?;
            family = children
                .iter()
                .map(|row| rows::id(&row.text(0)?))
                .collect::<Result<_, StoreError>>()?;
        }
        end::follow(conn, over, Vec::new(), self.now).await?;
        Ok(Some(state))
    }
}

/// Begins a job anew that has ended without success.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) id: JobId,
    pub(super) now: Timestamp,
}

impl Operation for Retry {
    type Output = Option<JobState>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<JobState>, StoreError> {
        let Some((state, name, key)) = locked(conn, self.id).await? else { return Ok(None) };
        // Of a batch that nothing follows, the children are what failed.
        let may_be = match state {
            JobState::Failed | JobState::Cancelled => true,
            JobState::Succeeded => name.is_empty(),
            _ => false,
        };
        if !may_be {
            return Ok(Some(state));
        }
        if let Some(key) = key
            && conn.row(&OF_KEY, &[(&key).into()]).await?.is_some()
        {
            return Err(StoreError::Taken);
        }
        let id = self.id.to_string();
        let now = self.now.as_millis();
        let again = conn.execute(&RETRY_CHILDREN, &[(&id).into(), now.into()]).await?;
        if state == JobState::Succeeded && again == 0 {
            return Ok(Some(state));
        }
        let row = conn.row(&UNFINISHED, &[(&id).into()]).await?;
        let waits = name.is_empty() || row.map_or(Ok(0), |row| row.int(0))? > 0;
        let to = if waits { JobState::Waiting } else { JobState::Queued };
        conn.execute(&RETRY, &[(&id).into(), to.code().into(), now.into()]).await?;
        end::follow(conn, Vec::new(), vec![self.id], self.now).await?;
        Ok(Some(state))
    }
}

/// The state, name and unique key of a job, which nobody else changes until the transaction has
/// ended. The parent is locked before it, as everywhere.
async fn locked(
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

//! Beginning jobs anew.

use std::collections::HashSet;

use super::{
    Conn, Operation, Row, Sql,
    cancel::locked,
    end,
    rows::{self, texts},
};
use crate::{JobId, JobState, Timestamp, store::StoreError};

/// Of a job without a name, which only waits, the children are what failed.
static CHILDREN: Sql = Sql::new(
    "SELECT id, parent, state, name, unique_key FROM jobs WHERE parent IN {texts$1} \
     AND (state IN (5, 6) OR (state = 4 AND name = '')) ORDER BY id {lock}",
);
static TAKEN: Sql = Sql::new(
    "SELECT unique_key FROM jobs WHERE unique_key IN {texts$1} AND unique_key IS NOT NULL \
     AND state < 4",
);
static RETRY: Sql = Sql::new(
    "UPDATE jobs SET state = CASE WHEN $2 = 1 OR EXISTS \
     (SELECT 1 FROM jobs AS child WHERE child.parent = jobs.id AND child.state < 4) \
     THEN 3 ELSE 1 END, token = token + 1, attempts = 0, run_at = $3, \
     finished_at = NULL, error = NULL, progress = NULL, \
     result = CASE WHEN name = '' THEN result END WHERE id IN {texts$1}",
);

/// Begins a job anew that has ended without success, with its children and theirs.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) id: JobId,
    pub(super) now: Timestamp,
}

impl Operation for Retry {
    type Output = Option<JobState>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<JobState>, StoreError> {
        let Some((state, name, unique_key)) = locked(conn, self.id).await? else {
            return Ok(None);
        };
        let is_nameless = name.is_empty();
        let first = Candidate { id: self.id, parent: None, state, is_nameless, unique_key };
        if !first.may_begin() {
            return Ok(Some(state));
        }
        let mut keys = Keys::default();
        let family = family(conn, first, &mut keys).await?;
        let Anew { queued, waiting } = Anew::of(&family);
        if queued.is_empty() && waiting.is_empty() {
            return if keys.are_missing { Err(StoreError::Taken) } else { Ok(Some(state)) };
        }
        let now = self.now.as_millis();
        for (ids, waits) in [(&queued, 0), (&waiting, 1)] {
            conn.execute(&RETRY, &[(&texts(ids)).into(), waits.into(), now.into()]).await?;
        }
        // What they have waited for may be there.
        end::follow(conn, Vec::new(), waiting, self.now).await?;
        Ok(Some(state))
    }
}

/// A job that may begin anew.
#[derive(Debug)]
struct Candidate {
    id: JobId,
    parent: Option<JobId>,
    state: JobState,
    /// It does nothing but wait for its children.
    is_nameless: bool,
    unique_key: Option<String>,
}

impl Candidate {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: rows::id(&row.text(0)?)?,
            parent: row.maybe_text(1)?.as_deref().map(rows::id).transpose()?,
            state: rows::state(row.int(2)?)?,
            is_nameless: row.text(3)?.is_empty(),
            unique_key: row.maybe_text(4)?,
        })
    }

    fn may_begin(&self) -> bool {
        match self.state {
            JobState::Failed | JobState::Cancelled => true,
            JobState::Succeeded => self.is_nameless,
            _ => false,
        }
    }
}

/// A job with its children and theirs, parents before children, as far as they may begin anew. It
/// is empty if the job itself may not.
async fn family(
    conn: &mut Conn<'_>,
    first: Candidate,
    keys: &mut Keys,
) -> Result<Vec<Candidate>, StoreError> {
    let mut family = Vec::new();
    let mut generation = keys.leave_free(conn, vec![first]).await?;
    while !generation.is_empty() {
        let parents = texts(generation.iter().map(|candidate| candidate.id));
        family.append(&mut generation);
        let children = conn.rows(&CHILDREN, &[(&parents).into()]).await?;
        let children = children.iter().map(Candidate::read).collect::<Result<_, _>>()?;
        generation = keys.leave_free(conn, children).await?;
    }
    Ok(family)
}

/// The unique keys of jobs that are on their way, or will be.
#[derive(Debug, Default)]
struct Keys {
    taken: HashSet<String>,
    /// Some job was left out because of its key.
    are_missing: bool,
}

impl Keys {
    /// Leaves out those whose key another job has; of several with the same key, all but the last.
    async fn leave_free(
        &mut self,
        conn: &mut Conn<'_>,
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let keys: Vec<&String> =
            candidates.iter().filter_map(|it| it.unique_key.as_ref()).collect();
        if keys.is_empty() {
            return Ok(candidates);
        }
        for row in conn.rows(&TAKEN, &[(&texts(keys)).into()]).await? {
            self.taken.insert(row.text(0)?);
        }
        let before = candidates.len();
        candidates.reverse();
        candidates.retain(|it| it.unique_key.clone().is_none_or(|key| self.taken.insert(key)));
        candidates.reverse();
        self.are_missing |= candidates.len() < before;
        Ok(candidates)
    }
}

/// The jobs that begin anew.
#[derive(Debug, Default)]
struct Anew {
    queued: Vec<JobId>,
    /// Those that wait for others of them.
    waiting: Vec<JobId>,
}

impl Anew {
    fn of(family: &[Candidate]) -> Self {
        let mut anew = Self::default();
        let mut parents = HashSet::new();
        // A job whose children have failed, though it has not, begins anew with them.
        for candidate in family.iter().rev() {
            let has_children = parents.contains(&candidate.id);
            if candidate.state == JobState::Succeeded && !has_children {
                continue;
            }
            parents.extend(candidate.parent);
            let waits = candidate.is_nameless || has_children;
            if waits { &mut anew.waiting } else { &mut anew.queued }.push(candidate.id);
        }
        anew
    }
}

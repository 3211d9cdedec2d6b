//! Looking at jobs.

use std::time::Duration;

use super::{
    Bind, Conn, Operation, Row, Sql,
    rows::{self, texts},
};
use crate::{
    Counts, Job, JobId, JobState, JobSummary, Timestamp,
    store::{Due, Filter, QueueStats, StoreError},
};

/// The `OFFSET` keeps Postgres from making a join of it, which may walk past all that is queued.
pub(super) static LOOK: Sql = Sql::new(
    "SELECT \
     CAST(CAST(EXISTS (SELECT 1 FROM {each$1} AS lane, {each$3} AS known WHERE EXISTS \
     (SELECT 1 FROM jobs WHERE state = 1 AND queue = lane.value AND name = known.value \
     LIMIT 1 OFFSET 0)) AS INTEGER) AS BIGINT), \
     CAST(CAST(EXISTS (SELECT 1 FROM jobs WHERE state = 0 AND run_at <= $2) AS INTEGER) AS BIGINT), \
     CAST(CAST(EXISTS (SELECT 1 FROM jobs WHERE state = 2 AND lease_until < $2) AS INTEGER) AS BIGINT)",
);
static GET: Sql = Sql::new("SELECT {summary}, {contents} FROM jobs WHERE id = $1");
static SUMMARY: Sql = Sql::new("SELECT {summary} FROM jobs WHERE id = $1");
static STATS: Sql = Sql::new(
    "SELECT queue, CAST(0 AS BIGINT), COUNT(*), CAST(NULL AS BIGINT) FROM jobs WHERE state = 0 GROUP BY queue \
     UNION ALL SELECT queue, 1, COUNT(*), MIN(run_at) FROM jobs WHERE state = 1 GROUP BY queue \
     UNION ALL SELECT queue, 2, COUNT(*), NULL FROM jobs WHERE state = 2 GROUP BY queue \
     UNION ALL SELECT queue, 3, COUNT(*), NULL FROM jobs WHERE state = 3 GROUP BY queue \
     UNION ALL SELECT queue, 5, COUNT(*), NULL FROM jobs WHERE state = 5 GROUP BY queue",
);

/// Whether there is something to do.
#[derive(Debug)]
pub(super) struct Look {
    queues: String,
    names: String,
    now: Timestamp,
}

impl Look {
    pub(super) fn new(queues: &[&str], names: &[&str], now: Timestamp) -> Self {
        Self { queues: texts(queues), names: texts(names), now }
    }
}

impl Operation for Look {
    type Output = Due;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Due, StoreError> {
        let binds = [(&self.queues).into(), self.now.as_millis().into(), (&self.names).into()];
        let Some(row) = conn.row(&LOOK, &binds).await? else { return Ok(Due::default()) };
        let is = |place| Ok::<_, StoreError>(row.int(place)? != 0);
        Ok(Due { queued: is(0)?, scheduled: is(1)?, expired: is(2)? })
    }
}

/// One job.
#[derive(Debug)]
pub(super) struct Get(pub(super) JobId);

impl Operation for Get {
    type Output = Option<Job>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<Job>, StoreError> {
        let row = conn.row(&GET, &[(&self.0.to_string()).into()]).await?;
        row.as_ref().map(rows::job).transpose()
    }
}

/// The same without its contents.
#[derive(Debug)]
pub(super) struct Summary(pub(super) JobId);

impl Operation for Summary {
    type Output = Option<JobSummary>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Option<JobSummary>, StoreError> {
        let row = conn.row(&SUMMARY, &[(&self.0.to_string()).into()]).await?;
        row.as_ref().map(rows::summary).transpose()
    }
}

/// The condition of a filter, with its values.
#[derive(Debug, Default)]
struct Condition {
    sql: String,
    texts: Vec<String>,
}

impl Condition {
    fn of(filter: &Filter<'_>) -> Self {
        let mut it = Self::default();
        match filter.parent {
            Some(parent) => it.equals("parent", &parent.to_string()),
            None if filter.with_children => it.sql.push_str("true"),
            None => it.sql.push_str("parent IS NULL"),
        }
        for (column, text) in
            [("owner", filter.owner), ("queue", filter.queue), ("name", filter.name)]
        {
            if let Some(text) = text {
                it.sql.push_str(" AND ");
                it.equals(column, text);
            }
        }
        it.states(filter.states);
        it
    }

    /// Only in these states, in the words of the indexes of those that are in them.
    fn states(&mut self, states: &[JobState]) {
        // They are numbers of ours.
        let codes: Vec<String> = states.iter().map(|state| state.code().to_string()).collect();
        let are_open = JobState::ALL.iter().all(|it| states.contains(it) != it.is_final());
        if !states.is_empty() && states.iter().all(|it| it.is_final()) {
            self.sql.push_str(" AND state >= 4");
        }
        match &codes[..] {
            [] => {}
            [code] => self.sql.push_str(&format!(" AND state = {code}")),
            _ if are_open => self.sql.push_str(" AND state < 4"),
            codes => self.sql.push_str(&format!(" AND state IN ({})", codes.join(", "))),
        }
    }

    fn equals(&mut self, column: &str, text: &str) {
        self.compare(column, "=", text);
    }

    fn compare(&mut self, column: &str, how: &str, text: &str) {
        self.texts.push(rows::clean(text).into_owned());
        self.sql.push_str(&format!("{column} {how} ${}", self.texts.len()));
    }

    fn binds(&self) -> Vec<Bind<'_>> {
        self.texts.iter().map(Bind::from).collect()
    }
}

/// Some jobs, without their contents.
#[derive(Debug)]
pub(super) struct List {
    condition: Condition,
    tail: String,
}

impl List {
    pub(super) fn new(filter: &Filter<'_>) -> Self {
        let mut condition = Condition::of(filter);
        let (how, order) = if filter.oldest_first { (">", "ASC") } else { ("<", "DESC") };
        if let Some(after) = filter.after {
            condition.sql.push_str(" AND ");
            condition.compare("id", how, &after.to_string());
        }
        Self { condition, tail: format!("ORDER BY id {order} LIMIT {}", filter.limit) }
    }

    pub(super) fn sql(&self, columns: &str) -> String {
        format!("SELECT {columns} FROM jobs WHERE {} {}", self.condition.sql, self.tail)
    }

    async fn read(&self, conn: &mut Conn<'_>, columns: &str) -> Result<Vec<Row>, StoreError> {
        conn.rows_of(&self.sql(columns), &self.condition.binds()).await
    }
}

impl Operation for List {
    type Output = Vec<JobSummary>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<JobSummary>, StoreError> {
        self.read(conn, "{summary}").await?.iter().map(rows::summary).collect()
    }
}

/// The same with their contents.
#[derive(Debug)]
pub(super) struct ListWhole(pub(super) List);

impl Operation for ListWhole {
    type Output = Vec<Job>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<Job>, StoreError> {
        self.0.read(conn, "{summary}, {contents}").await?.iter().map(rows::job).collect()
    }
}

/// How many jobs of each state.
#[derive(Debug)]
pub(super) struct Count(Condition);

impl Count {
    pub(super) fn new(filter: &Filter<'_>) -> Self {
        Self(Condition::of(filter))
    }
}

impl Operation for Count {
    type Output = Counts;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Counts, StoreError> {
        let sql = format!("SELECT state, COUNT(*) FROM jobs WHERE {} GROUP BY state", self.0.sql);
        let mut counts = Counts::default();
        for row in conn.rows_of(&sql, &self.0.binds()).await? {
            counts.set(rows::state(row.int(0)?)?, row.int(1)?.unsigned_abs());
        }
        Ok(counts)
    }
}

/// How the queues are doing.
#[derive(Debug)]
pub(super) struct Stats {
    pub(super) now: Timestamp,
}

impl Operation for Stats {
    type Output = Vec<QueueStats>;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Vec<QueueStats>, StoreError> {
        let mut queues: Vec<QueueStats> = Vec::new();
        for row in conn.rows(&STATS, &[]).await? {
            let (queue, state) = (row.text(0)?, rows::state(row.int(1)?)?);
            let place = queues.iter().position(|stats| stats.queue == queue);
            let place = place.unwrap_or_else(|| {
                queues.push(QueueStats { queue, counts: Counts::default(), oldest: None });
                queues.len() - 1
            });
            let Some(stats) = queues.get_mut(place) else { continue };
            stats.counts.set(state, row.int(2)?.unsigned_abs());
            if state == JobState::Queued {
                let since = row.maybe_int(3)?.map(Timestamp::from_millis);
                stats.oldest = since.map(|since| -> Duration { self.now - since });
            }
        }
        queues.sort_by(|one, other| one.queue.cmp(&other.queue));
        Ok(queues)
    }
}

//! Jobs that come again and again.

use super::{Conn, Operation, Sql, enqueue::Enqueue};
use crate::{Timestamp, store::StoreError};

static SCHEDULE: Sql = Sql::new(
    "INSERT INTO job_schedules (name, spec, next_at) VALUES ($1, $2, $3) \
     ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, next_at = excluded.next_at \
     WHERE job_schedules.spec <> excluded.spec",
);
static NEXT_AT: Sql = Sql::new("SELECT next_at FROM job_schedules WHERE name = $1");
static FIRE: Sql =
    Sql::new("UPDATE job_schedules SET next_at = $3 WHERE name = $1 AND next_at = $2");

/// Notes a schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) name: String,
    pub(super) spec: String,
    pub(super) next: Timestamp,
}

impl Operation for Schedule {
    type Output = Timestamp;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<Timestamp, StoreError> {
        let name = (&self.name).into();
        let binds = [name, (&self.spec).into(), self.next.as_millis().into()];
        conn.execute(&SCHEDULE, &binds).await?;
        let row = conn.row(&NEXT_AT, &[name]).await?;
        row.map_or(Ok(self.next), |row| row.int(0).map(Timestamp::from_millis))
    }
}

/// Enqueues the job of a schedule.
#[derive(Debug)]
pub(super) struct Fire {
    pub(super) name: String,
    pub(super) was: Timestamp,
    pub(super) next: Timestamp,
    pub(super) enqueue: Enqueue,
}

impl Operation for Fire {
    type Output = bool;

    async fn run(&self, conn: &mut Conn<'_>) -> Result<bool, StoreError> {
        let (was, next) = (self.was.as_millis(), self.next.as_millis());
        let binds = [(&self.name).into(), was.into(), next.into()];
        if conn.execute(&FIRE, &binds).await? == 0 {
            return Ok(false);
        }
        self.enqueue.run(conn).await?;
        Ok(true)
    }
}

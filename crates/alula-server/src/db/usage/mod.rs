//! The ledger: one row for each call.

mod filter;
mod report;

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row as _};

pub(crate) use self::{
    filter::{Filter, Status},
    report::{Group, Line, Sums},
};
use super::{Db, DbError, Pools, reading, writing};
use crate::services::usage::row::{COLUMNS, Row, Tokens};

/// Postgres: who deletes old rows. Any number, as long as nobody else uses it.
const PRUNING: i64 = 0x616c_756c_6102;

/// A call of the ledger, and what people call its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) row: Row,
    pub(crate) key_name: Option<String>,
}

/// The values of a row, in the order of the columns.
macro_rules! bind {
    ($query:expr, $row:expr) => {{
        let row: &Row = $row;
        $query
            .bind(row.id.to_string())
            .bind(row.at)
            .bind(row.request_id.as_str())
            .bind(row.key_id.as_deref())
            .bind(row.operation.as_str())
            .bind(row.streamed)
            .bind(row.asked.as_str())
            .bind(row.provider.as_deref())
            .bind(row.model.as_deref())
            .bind(row.answered_by.as_deref())
            .bind(row.service_tier.as_deref())
            .bind(row.attempts)
            .bind(row.cached)
            .bind(row.tokens.input)
            .bind(row.tokens.output)
            .bind(row.tokens.cache_read)
            .bind(row.tokens.cache_write)
            .bind(row.tokens.reasoning)
            .bind(row.tokens.audio_input)
            .bind(row.tokens.audio_output)
            .bind(row.cost_picos)
            .bind(row.first_token_ms)
            .bind(row.total_ms)
            .bind(row.status.as_str())
            .bind(row.error.as_deref())
            .bind(row.http_status)
    }};
}

/// A row of either database.
macro_rules! call {
    ($row:expr) => {{
        let row = $row;
        let id: String = row.try_get(0)?;
        let id = id.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))?;
        let tokens = Tokens {
            input: row.try_get(13)?,
            output: row.try_get(14)?,
            cache_read: row.try_get(15)?,
            cache_write: row.try_get(16)?,
            reasoning: row.try_get(17)?,
            audio_input: row.try_get(18)?,
            audio_output: row.try_get(19)?,
        };
        let of_call = Row {
            id,
            at: row.try_get(1)?,
            request_id: row.try_get(2)?,
            key_id: row.try_get(3)?,
            operation: row.try_get(4)?,
            streamed: row.try_get(5)?,
            asked: row.try_get(6)?,
            provider: row.try_get(7)?,
            model: row.try_get(8)?,
            answered_by: row.try_get(9)?,
            service_tier: row.try_get(10)?,
            attempts: row.try_get(11)?,
            cached: row.try_get(12)?,
            tokens,
            cost_picos: row.try_get(20)?,
            first_token_ms: row.try_get(21)?,
            total_ms: row.try_get(22)?,
            status: row.try_get(23)?,
            error: row.try_get(24)?,
            http_status: row.try_get(25)?,
        };
        Ok(Call { row: of_call, key_name: row.try_get(26)? })
    }};
}

impl Db {
    /// Adds rows, of which some may be there already.
    pub(crate) async fn insert_usage(&self, rows: &[Row]) -> Result<(), DbError> {
        let inserts = match self.pools() {
            Pools::Sqlite { .. } => &SQLITE_INSERTS,
            Pools::Postgres(_) => &POSTGRES_INSERTS,
        };
        writing!(self, |tx| {
            let mut left = rows;
            for (many, sql) in inserts.iter() {
                while let Some((rows, rest)) = left.split_at_checked(*many) {
                    let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
                    for row in rows {
                        query = bind!(query, row);
                    }
                    query.execute(&mut *tx).await?;
                    left = rest;
                }
            }
        });
        Ok(())
    }

    /// The calls, newest first; those before the call `before`, if there is one.
    pub(crate) async fn usage_calls(
        &self,
        filter: &Filter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Call>, DbError> {
        let mut where_ = filter.to_where();
        if let Some(before) = before {
            where_.and("usage.id < ", before);
        }
        let names = COLUMNS.map(|name| format!("usage.{name}")).join(", ");
        let sql = format!(
            "SELECT {names}, api_keys.name FROM usage \
             LEFT JOIN api_keys ON api_keys.id = usage.key_id \
             WHERE {where_} ORDER BY usage.id DESC LIMIT {limit}"
        );
        reading!(self, |pool| {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in where_.values() {
                query = query.bind(value);
            }
            let rows = query.fetch_all(pool).await?;
            rows.iter().map(|row| call!(row)).collect()
        })
    }

    /// Deletes so many of the calls that ended before a time, unless another process is about it.
    /// Returns how many there were.
    pub(crate) async fn delete_usage_before(&self, at: i64, limit: u32) -> Result<u64, DbError> {
        let is_postgres = matches!(self.pools(), Pools::Postgres(_));
        let sql = format!(
            "DELETE FROM usage WHERE id IN \
             (SELECT id FROM usage WHERE id < $1 ORDER BY id LIMIT {limit})"
        );
        Ok(writing!(self, |tx| {
            if is_postgres {
                let lock = sqlx::query_as("SELECT pg_try_advisory_xact_lock($1)").bind(PRUNING);
                let (is_ours,): (bool,) = lock.fetch_one(&mut *tx).await?;
                if !is_ours {
                    return Ok(0);
                }
            }
            let delete = sqlx::query(AssertSqlSafe(sql)).bind(filter::id_from(at));
            delete.execute(&mut *tx).await?.rows_affected()
        }))
    }
}

/// Statements for so many rows each. There are few, so that a connection keeps them prepared.
type Inserts = LazyLock<[(usize, String); 3]>;

/// Places without names: SQLite looks for the name of each among those of all.
static SQLITE_INSERTS: Inserts = LazyLock::new(|| inserts(|_| "?".to_owned()));

static POSTGRES_INSERTS: Inserts = LazyLock::new(|| inserts(|place| format!("${place}")));

fn inserts(place: fn(usize) -> String) -> [(usize, String); 3] {
    [64, 8, 1].map(|rows| (rows, insert(rows, place)))
}

fn insert(rows: usize, place: fn(usize) -> String) -> String {
    let names = COLUMNS.join(", ");
    let row = |row: usize| {
        let places = (1..=COLUMNS.len()).map(|column| place(row * COLUMNS.len() + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    let values = values.join(", ");
    format!("INSERT INTO usage ({names}) VALUES {values} ON CONFLICT (id) DO NOTHING")
}

#[cfg(test)]
mod tests {
    use super::{super::testing::on_each, *};
    use crate::services::usage::row::tests::row_at;

    #[tokio::test]
    async fn rows_come_back_as_they_were_and_only_once() {
        on_each(async |db| {
            let mut odd = row_at(2_000);
            odd.asked = "é\"'\\\u{1}😀".to_owned();
            odd.key_id = Some("k".to_owned());
            odd.cost_picos = Some(i64::MAX);
            let rows = [row_at(1_000), odd, row_at(3_000)];
            db.insert_usage(&rows).await?;
            db.insert_usage(&rows[1..]).await?;
            let calls = db.usage_calls(&Filter::between(0, 10_000), None, 10).await?;
            let found: Vec<Row> = calls.into_iter().rev().map(|call| call.row).collect();
            assert_eq!(found, rows);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn calls_are_read_in_pages_and_by_what_they_are() {
        on_each(async |db| {
            let mut rows: Vec<Row> = (1..=5).map(|second| row_at(second * 1_000)).collect();
            rows[1].status = "failed".to_owned();
            rows[2].key_id = Some("k".to_owned());
            db.insert_usage(&rows).await?;
            let all = Filter::between(1_000, 5_000);
            let page = db.usage_calls(&all, None, 2).await?;
            let ats = |calls: &[Call]| calls.iter().map(|call| call.row.at).collect::<Vec<_>>();
            assert_eq!(ats(&page), [4_000, 3_000]);
            let last = page[1].row.id.to_string();
            assert_eq!(ats(&db.usage_calls(&all, Some(&last), 9).await?), [2_000, 1_000]);
            let failed = Filter { status: Some(Status::Failed), ..all.clone() };
            assert_eq!(ats(&db.usage_calls(&failed, None, 9).await?), [2_000]);
            let odd = Filter { model: Some("\0".to_owned()), ..all.clone() };
            assert_eq!(db.usage_calls(&odd, None, 9).await?, []);
            let of_key = Filter { key: Some("k".to_owned()), ..all };
            assert_eq!(ats(&db.usage_calls(&of_key, None, 9).await?), [3_000]);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn old_rows_go_in_small_steps() {
        on_each(async |db| {
            let rows: Vec<Row> = (1..=5).map(|second| row_at(second * 1_000)).collect();
            db.insert_usage(&rows).await?;
            assert_eq!(db.delete_usage_before(4_000, 2).await?, 2);
            assert_eq!(db.delete_usage_before(4_000, 2).await?, 1);
            assert_eq!(db.delete_usage_before(4_000, 2).await?, 0);
            assert_eq!(db.usage_calls(&Filter::between(0, 9_000), None, 9).await?.len(), 2);
            Ok(())
        })
        .await;
    }
}

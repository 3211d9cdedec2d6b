//! Sums over the ledger.

use sqlx::{AssertSqlSafe, Row as _};

use super::{
    super::{Db, DbError, reading},
    Filter,
    filter::{KEY, MODEL, PROVIDER, Where},
};
use crate::services::usage::time::DAY;

/// What calls are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// The day of UTC in which the call ended.
    Day,
    Key,
    Model,
    Provider,
    Operation,
    Status,
}

/// Calls that have the same groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What they have in common, in the order that was asked for. A day is a number since 1970.
    pub(crate) groups: Vec<String>,
    /// What people call their key, if they are of one.
    pub(crate) key_name: Option<String>,
    pub(crate) sums: Sums,
}

/// What calls come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) calls: i64,
    pub(crate) failed: i64,
    pub(crate) abandoned: i64,
    pub(crate) cached: i64,
    /// Those of which nobody knows what they cost.
    pub(crate) without_cost: i64,
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) cache_read: i64,
    pub(crate) cache_write: i64,
    pub(crate) reasoning: i64,
    pub(crate) audio_input: i64,
    pub(crate) audio_output: i64,
    /// What the others cost, exactly.
    pub(crate) picos: i128,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Day, Self::Key, Self::Model, Self::Provider, Self::Operation, Self::Status];

    /// As it is written in a request, and heads a column.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Operation => "operation",
            Self::Status => "status",
        }
    }

    /// The text of a row, which is never NULL.
    fn sql(self) -> String {
        match self {
            // Of equal length for some centuries, so that it is ordered like the number.
            Self::Day => format!("CAST(usage.at / {DAY} AS TEXT)"),
            Self::Key => KEY.to_owned(),
            Self::Model => MODEL.to_owned(),
            Self::Provider => PROVIDER.to_owned(),
            Self::Operation => "usage.operation".to_owned(),
            Self::Status => "usage.status".to_owned(),
        }
    }
}

/// The sums of a group. That of the cost has two parts, of which neither can overflow.
const SUMS: &str = "COUNT(*), \
    COUNT(*) FILTER (WHERE usage.status = 'failed'), \
    COUNT(*) FILTER (WHERE usage.status = 'abandoned'), \
    COUNT(*) FILTER (WHERE usage.cached = 1), \
    COUNT(*) FILTER (WHERE usage.cost_picos IS NULL), \
    CAST(COALESCE(SUM(usage.input_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.output_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.cache_read_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.cache_write_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.reasoning_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.audio_input_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.audio_output_tokens), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.cost_picos / 1000000), 0) AS BIGINT), \
    CAST(COALESCE(SUM(usage.cost_picos % 1000000), 0) AS BIGINT)";

/// The sums of a row of either database, from this column on.
macro_rules! sums {
    ($row:expr, $first:expr) => {{
        let (row, first): (_, usize) = ($row, $first);
        let number = |index: usize| row.try_get::<i64, _>(first + index);
        Sums {
            calls: number(0)?,
            failed: number(1)?,
            abandoned: number(2)?,
            cached: number(3)?,
            without_cost: number(4)?,
            input: number(5)?,
            output: number(6)?,
            cache_read: number(7)?,
            cache_write: number(8)?,
            reasoning: number(9)?,
            audio_input: number(10)?,
            audio_output: number(11)?,
            picos: i128::from(number(12)?) * 1_000_000 + i128::from(number(13)?),
        }
    }};
}

impl Db {
    /// The sums by groups, in their order; those behind the groups `after`, if there are any.
    pub(crate) async fn usage_by(
        &self,
        groups: &[Group],
        filter: &Filter,
        after: Option<&[String]>,
        limit: u32,
    ) -> Result<Vec<Line>, DbError> {
        let columns: Vec<String> = groups.iter().map(|group| group.sql()).collect();
        let mut where_ = filter.to_where();
        if let Some(after) = after {
            let places: Vec<String> = after.iter().map(|value| where_.place(value)).collect();
            where_.and_always(&format!("({}) > ({})", columns.join(", "), places.join(", ")));
        }
        let sql = lines_sql(groups, &columns, &where_, limit);
        Ok(reading!(self, |pool| {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in where_.values() {
                query = query.bind(value);
            }
            let rows = query.fetch_all(pool).await?;
            let mut lines = Vec::with_capacity(rows.len());
            for row in &rows {
                let texts = (0..groups.len()).map(|index| row.try_get(index));
                let texts: Result<_, sqlx::Error> = texts.collect();
                let sums = sums!(row, groups.len());
                lines.push(Line { groups: texts?, key_name: row.try_get("key_name")?, sums });
            }
            lines
        }))
    }

    /// Everything added up.
    pub(crate) async fn usage_total(&self, filter: &Filter) -> Result<Sums, DbError> {
        let where_ = filter.to_where();
        let sql = format!("SELECT {SUMS} FROM usage WHERE {where_}");
        Ok(reading!(self, |pool| {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in where_.values() {
                query = query.bind(value);
            }
            let row = query.fetch_one(pool).await?;
            sums!(&row, 0)
        }))
    }
}

/// The lines, and the name of the key of each if that is one of the groups.
fn lines_sql(groups: &[Group], columns: &[String], where_: &Where, limit: u32) -> String {
    let named = |(number, sql): (usize, &String)| format!("{sql} AS group_{number}");
    let columns: Vec<String> = columns.iter().enumerate().map(named).collect();
    let columns = columns.join(", ");
    let numbers: Vec<String> = (1..=groups.len()).map(|number| number.to_string()).collect();
    let numbers = numbers.join(", ");
    let (name, keys) = match groups.iter().position(|group| *group == Group::Key) {
        Some(number) => {
            ("api_keys.name", format!("LEFT JOIN api_keys ON api_keys.id = lines.group_{number} "))
        }
        None => ("CAST(NULL AS TEXT)", String::new()),
    };
    format!(
        "SELECT lines.*, {name} AS key_name FROM \
         (SELECT {columns}, {SUMS} FROM usage WHERE {where_} \
         GROUP BY {numbers} ORDER BY {numbers} LIMIT {limit}) AS lines {keys}ORDER BY {numbers}"
    )
}

#[cfg(test)]
mod tests {
    use super::{super::super::testing::on_each, *};
    use crate::{
        db::writing,
        services::usage::row::{Row as UsageRow, tests::row_at},
    };

    fn rows() -> Vec<UsageRow> {
        let mut rows: Vec<UsageRow> = [0, 1, DAY, DAY + 1].map(row_at).to_vec();
        rows[1].key_id = Some("k1".to_owned());
        rows[1].status = "failed".to_owned();
        rows[2].cost_picos = None;
        rows[3].cost_picos = Some(i64::MAX);
        rows[3].model = None;
        rows[3].asked = "fast".to_owned();
        rows
    }

    #[tokio::test]
    async fn calls_are_added_up_by_any_groups() {
        on_each(async |db| {
            db.insert_usage(&rows()).await?;
            let all = Filter::between(0, 2 * DAY);
            let by = async |groups: &[Group]| -> Result<Vec<(String, i64)>, DbError> {
                let lines = db.usage_by(groups, &all, None, 10).await?;
                Ok(lines.iter().map(|line| (line.groups.join(" "), line.sums.calls)).collect())
            };
            let text = |text: &str, calls| (text.to_owned(), calls);
            assert_eq!(by(&[Group::Day]).await?, [text("0", 2), text("1", 2)]);
            assert_eq!(by(&[Group::Key]).await?, [text("", 3), text("k1", 1)]);
            assert_eq!(
                by(&[Group::Model, Group::Status]).await?,
                [text("fast answered", 1), text("m answered", 2), text("m failed", 1)]
            );
            assert_eq!(by(&Group::ALL).await?.len(), 4);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn sums_are_exact_and_unknown_costs_are_counted_apart() {
        on_each(async |db| {
            let mut rows = rows();
            rows.push(UsageRow { cost_picos: Some(i64::MAX), ..row_at(5) });
            db.insert_usage(&rows).await?;
            let sums = db.usage_total(&Filter::between(0, 2 * DAY)).await?;
            assert_eq!((sums.calls, sums.failed, sums.without_cost), (5, 1, 1));
            assert_eq!((sums.input, sums.output, sums.cache_read), (15, 10, 0));
            assert_eq!(sums.picos, 2 * i128::from(i64::MAX) + 3_000_000);
            let none = db.usage_total(&Filter::between(3 * DAY, 4 * DAY)).await?;
            assert_eq!(none, Sums::default());
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn lines_are_read_in_pages_and_name_their_keys() {
        on_each(async |db| {
            let key = "INSERT INTO api_keys (id, hash, name, plan, scopes, created_at, changed) \
                       VALUES ('k1', $1, 'tests', 'free', '', 0, 1)";
            writing!(db, |tx| {
                sqlx::query(key).bind([1_u8].as_slice()).execute(&mut *tx).await?;
            });
            db.insert_usage(&rows()).await?;
            let groups = [Group::Day, Group::Key];
            let all = Filter::between(0, 2 * DAY);
            let whole = db.usage_by(&groups, &all, None, 10).await?;
            let names: Vec<Option<&str>> =
                whole.iter().map(|line| line.key_name.as_deref()).collect();
            assert_eq!(names, [None, Some("tests"), None]);
            let (mut after, mut pages) = (None::<Vec<String>>, Vec::new());
            while let [line] = &*db.usage_by(&groups, &all, after.as_deref(), 1).await? {
                pages.push(line.clone());
                after = Some(line.groups.clone());
            }
            assert_eq!(pages, whole);
            Ok(())
        })
        .await;
    }
}

//! A connection to either database, and the statements that both understand.

use std::sync::OnceLock;

use sqlx::{
    AssertSqlSafe, PgConnection, Row as _, SqliteConnection, postgres::PgRow, sqlite::SqliteRow,
};

use super::rows;
use crate::store::StoreError;

/// A connection within a transaction.
#[derive(Debug)]
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A statement, written once.
///
/// - `{rows: id TEXT, token BIGINT}` is the array of objects in `$1`, as rows `r` of these columns;
/// - `{texts$2}` is the array of texts in `$2`, as a subquery, and `{each$2}` as a table of `value`s;
/// - `{claimed}`, `{summary}` and `{contents}` are the columns that [`rows::claim`] and
///   [`rows::summary`] read, and those that [`rows::job`] reads after the latter;
/// - `{lock}` and `{skip}` lock the rows of a query in Postgres, the latter those that nobody has
///   locked. SQLite has one writer at a time.
#[derive(Debug)]
pub(super) struct Sql {
    texts: (&'static str, &'static str),
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Sql {
    pub(super) const fn new(text: &'static str) -> Self {
        Self::two(text, text)
    }

    /// A statement that is another one in each of them.
    pub(super) const fn two(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { texts: (sqlite, postgres), sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    pub(super) fn sqlite(&self) -> &str {
        self.sqlite.get_or_init(|| for_sqlite(self.texts.0))
    }

    fn postgres(&self) -> &str {
        self.postgres.get_or_init(|| for_postgres(self.texts.1))
    }
}

/// What both understand.
fn columns(text: &str) -> String {
    text.replace("{claimed}", rows::CLAIMED)
        .replace("{summary}", rows::SUMMARY)
        .replace("{contents}", rows::CONTENTS)
}

fn for_sqlite(text: &str) -> String {
    let text = columns(text).replace("{lock}", "").replace("{skip}", "");
    let text = replaced(&text, "{rows: ", |columns| {
        let names = columns.split(", ").filter_map(|column| column.split(' ').next());
        let fields: Vec<_> = names.map(|name| format!("value->>'{name}' AS {name}")).collect();
        format!("(SELECT {} FROM json_each($1)) AS r", fields.join(", "))
    });
    let text = replaced(&text, "{each$", |number| format!("json_each(${number})"));
    replaced(&text, "{texts$", |number| format!("(SELECT value FROM json_each(${number}))"))
}

fn for_postgres(text: &str) -> String {
    let text = columns(text).replace("{lock}", "FOR UPDATE");
    let text = text.replace("{skip}", "FOR UPDATE SKIP LOCKED");
    // An object is parsed once, and not once for each of its fields.
    let rows = |columns: &str| format!("json_to_recordset($1::json) AS r({columns})");
    let text = replaced(&text, "{rows: ", rows);
    let each = |number: &str| format!("json_array_elements_text(${number}::json)");
    let text = replaced(&text, "{each$", each);
    replaced(&text, "{texts$", |number| format!("(SELECT {})", each(number)))
}

/// Replaces what begins like this, and goes on to the next `}`.
fn replaced(text: &str, begin: &str, replacement: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(begin);
    let mut replaced = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (inside, rest) = piece.split_once('}').unwrap_or((piece, ""));
        replaced.push_str(&replacement(inside));
        replaced.push_str(rest);
    }
    replaced
}

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bind<'a> {
    Text(&'a str),
    Int(i64),
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Bind<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Bind<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Binds values one after the other.
macro_rules! bound {
    ($sql:expr, $binds:expr) => {
        $binds.iter().fold(sqlx::query(AssertSqlSafe($sql)), |query, bind| match bind {
            Bind::Text(text) => query.bind(*text),
            Bind::Int(number) => query.bind(*number),
        })
    };
}

impl Conn<'_> {
    pub(super) async fn rows(
        &mut self,
        sql: &Sql,
        binds: &[Bind<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => {
                let rows = bound!(sql.sqlite(), binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(conn) => {
                let rows = bound!(sql.postgres(), binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// As [`rows`](Self::rows), of a statement that is put together.
    pub(super) async fn rows_of(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => {
                let rows = bound!(for_sqlite(sql), binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(conn) => {
                let rows = bound!(for_postgres(sql), binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row, if there is one.
    pub(super) async fn row(
        &mut self,
        sql: &Sql,
        binds: &[Bind<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, binds).await?.into_iter().next())
    }

    /// How many rows were changed.
    pub(super) async fn execute(
        &mut self,
        sql: &Sql,
        binds: &[Bind<'_>],
    ) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => {
                bound!(sql.sqlite(), binds).execute(&mut **conn).await?.rows_affected()
            }
            Self::Postgres(conn) => {
                bound!(sql.postgres(), binds).execute(&mut **conn).await?.rows_affected()
            }
        })
    }

    /// Several statements without values.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(conn) => {
                sqlx::raw_sql(sql).execute(&mut **conn).await?;
            }
            Self::Postgres(conn) => {
                sqlx::raw_sql(sql).execute(&mut **conn).await?;
            }
        }
        Ok(())
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// A row of an answer: whole numbers and texts, by their place.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn int(&self, place: usize) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }

    pub(super) fn maybe_int(&self, place: usize) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }

    pub(super) fn text(&self, place: usize) -> Result<String, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }

    pub(super) fn maybe_text(&self, place: usize) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_once() {
        let sql = Sql::new(
            "A {rows: id TEXT, token BIGINT} B {texts$2} C {texts$13} D {each$3} AS d {skip}{lock}",
        );
        let sqlite = "A (SELECT value->>'id' AS id, value->>'token' AS token FROM json_each($1)) \
                      AS r B (SELECT value FROM json_each($2)) \
                      C (SELECT value FROM json_each($13)) D json_each($3) AS d ";
        assert_eq!(sql.sqlite(), sqlite);
        let postgres = "A json_to_recordset($1::json) AS r(id TEXT, token BIGINT) \
                        B (SELECT json_array_elements_text($2::json)) \
                        C (SELECT json_array_elements_text($13::json)) \
                        D json_array_elements_text($3::json) AS d \
                        FOR UPDATE SKIP LOCKEDFOR UPDATE";
        assert_eq!(sql.postgres(), postgres);
    }
}

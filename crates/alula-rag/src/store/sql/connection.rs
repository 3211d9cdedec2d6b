//! A connection to either database, and the statements that both understand.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, PgConnection, Row as _, SqliteConnection, postgres::PgRow, sqlite::SqliteRow,
};

use crate::store::StoreError;

/// A connection.
///
/// In a statement
/// - `{rows$1}` is the array of objects in `$1`, as rows `r` with a `value`,
/// - `{ints$1}` is the array of whole numbers in `$1`, and `{texts$1}` that of texts, as subqueries.
#[derive(Debug)]
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Bind<'a> {
    Text(Cow<'a, str>),
    MaybeText(Option<&'a str>),
    Int(i64),
    MaybeInt(Option<i64>),
    Real(f64),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for Bind<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Bind<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Bind<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Bind<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

/// Binds values one after the other.
macro_rules! bound {
    ($sql:expr, $binds:expr) => {
        $binds.iter().fold(sqlx::query(AssertSqlSafe($sql)), |query, bind| match bind {
            Bind::Text(text) => query.bind(without_zero(text)),
            Bind::MaybeText(text) => query.bind(text.and_then(without_zero)),
            Bind::Int(number) => query.bind(*number),
            Bind::MaybeInt(number) => query.bind(*number),
            Bind::Real(number) => query.bind(*number),
            Bind::Bytes(bytes) => query.bind(*bytes),
        })
    };
}

/// Postgres takes no text with the character 0. Neither a name nor a text that is kept has it, so it
/// is equal to nothing.
fn without_zero(text: &str) -> Option<&str> {
    (!text.contains('\0')).then_some(text)
}

impl Conn<'_> {
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    pub(super) async fn rows(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let sql = self.spelled(sql);
        Ok(match self {
            Self::Sqlite(conn) => {
                let rows = bound!(sql, binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(conn) => {
                let rows = bound!(sql, binds).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row, if there is one.
    pub(super) async fn row(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, binds).await?.into_iter().next())
    }

    /// The whole number in the first row, if there is one.
    pub(super) async fn int(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Option<i64>, StoreError> {
        self.row(sql, binds).await?.map(|row| row.int(0)).transpose()
    }

    /// How many rows were changed.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<u64, StoreError> {
        let sql = self.spelled(sql);
        Ok(match self {
            Self::Sqlite(conn) => bound!(sql, binds).execute(&mut **conn).await?.rows_affected(),
            Self::Postgres(conn) => bound!(sql, binds).execute(&mut **conn).await?.rows_affected(),
        })
    }

    /// Several statements without values.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql.to_owned());
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

    fn spelled(&self, sql: &str) -> String {
        spelled(sql, self.is_postgres())
    }
}

fn spelled(sql: &str, is_postgres: bool) -> String {
    let mut pieces = sql.split('{');
    let mut spelled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let (kind, number) = name.split_once('$').unwrap_or((name, ""));
        spelled.push_str(&match (kind, is_postgres) {
            ("rows", false) => format!("json_each(${number}) AS r"),
            ("rows", true) => format!("json_array_elements(${number}::json) AS r(value)"),
            ("ints", true) => {
                format!("(SELECT json_array_elements_text(${number}::json)::bigint)")
            }
            (_, true) => format!("(SELECT json_array_elements_text(${number}::json))"),
            (_, false) => format!("(SELECT value FROM json_each(${number}))"),
        });
        spelled.push_str(rest);
    }
    spelled
}

/// A row of an answer, by the places of its values.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Reads a value of this type.
macro_rules! get {
    ($row:expr, $place:expr) => {
        match $row {
            Self::Sqlite(row) => row.try_get($place)?,
            Self::Postgres(row) => row.try_get($place)?,
        }
    };
}

impl Row {
    pub(super) fn int(&self, place: usize) -> Result<i64, StoreError> {
        Ok(get!(self, place))
    }

    pub(super) fn maybe_int(&self, place: usize) -> Result<Option<i64>, StoreError> {
        Ok(get!(self, place))
    }

    /// A count.
    pub(super) fn count(&self, place: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(place)?).map_err(|_| StoreError::Malformed("a count"))
    }

    /// A count that is not large.
    pub(super) fn small(&self, place: usize) -> Result<u32, StoreError> {
        u32::try_from(self.int(place)?).map_err(|_| StoreError::Malformed("a number"))
    }

    pub(super) fn real(&self, place: usize) -> Result<f64, StoreError> {
        Ok(get!(self, place))
    }

    pub(super) fn text(&self, place: usize) -> Result<String, StoreError> {
        Ok(get!(self, place))
    }

    pub(super) fn maybe_text(&self, place: usize) -> Result<Option<String>, StoreError> {
        Ok(get!(self, place))
    }

    pub(super) fn bytes(&self, place: usize) -> Result<Vec<u8>, StoreError> {
        Ok(get!(self, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_once() {
        let sql = "A {rows$1} B {texts$2} C {ints$13}";
        let sqlite = "A json_each($1) AS r B (SELECT value FROM json_each($2)) \
                      C (SELECT value FROM json_each($13))";
        assert_eq!(spelled(sql, false), sqlite);
        let postgres = "A json_array_elements($1::json) AS r(value) \
                        B (SELECT json_array_elements_text($2::json)) \
                        C (SELECT json_array_elements_text($13::json)::bigint)";
        assert_eq!(spelled(sql, true), postgres);
    }
}

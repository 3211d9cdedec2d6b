//! Documents as files, whatever collections they are in.

use sqlx::{AssertSqlSafe, Row as _};

use super::{
    super::{Db, DbError, ListPart, reading},
    DocumentRow, document, document_columns,
};

impl Db {
    /// A part of an owner's documents, perhaps of a purpose: those that came to be found have
    /// `user_data`.
    pub(crate) async fn files(
        &self,
        owner: &str,
        purpose: Option<&str>,
        part: ListPart<'_>,
    ) -> Result<Vec<DocumentRow>, DbError> {
        let (behind, in_front, order) = part.operators();
        let columns = document_columns!();
        let sql = format!(
            "SELECT {columns} FROM documents d WHERE d.owner = $1 AND d.state = 1 \
             AND ($2 IS NULL OR COALESCE(NULLIF(d.purpose, ''), 'user_data') = $2) \
             AND ($3 IS NULL OR d.id {behind} $3) AND ($4 IS NULL OR d.id {in_front} $4) \
             ORDER BY d.id {order} LIMIT $5"
        );
        let mut files = Vec::new();
        reading!(self, |pool| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).bind(owner).bind(purpose);
            let query = query.bind(part.after).bind(part.before).bind(part.limit);
            for row in query.fetch_all(pool).await? {
                files.push(document!(row));
            }
        });
        Ok(part.in_order(files))
    }
}

//! Documents as they are found.

use sqlx::Row as _;

use super::{
    super::{Db, DbError, reading},
    DocumentRow, EntryState, Found, document, document_columns, found, found_columns,
};

impl Db {
    /// A document of an owner, wherever it is.
    pub(crate) async fn document(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Option<DocumentRow>, DbError> {
        let sql = concat!(
            "SELECT ",
            document_columns!(),
            " FROM documents d WHERE d.id = $1 AND d.owner = $2 AND d.state = 1"
        );
        Ok(reading!(self, |pool| {
            let row = sqlx::query(sql).bind(id).bind(owner).fetch_optional(pool).await?;
            match row {
                Some(row) => Some(document!(row)),
                None => None,
            }
        }))
    }

    /// A document of an owner in a collection.
    pub(crate) async fn document_in(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<Option<Found>, DbError> {
        let sql = concat!(
            "SELECT ",
            found_columns!(),
            " FROM document_entries e JOIN documents d ON d.id = e.document \
             WHERE e.document = $1 AND e.collection = $2 AND e.owner = $3 AND d.state = 1"
        );
        Ok(reading!(self, |pool| {
            let query = sqlx::query(sql).bind(id).bind(collection).bind(owner);
            match query.fetch_optional(pool).await? {
                Some(row) => Some(found!(row)),
                None => None,
            }
        }))
    }

    /// Those of a collection, the newest first: at most so many, from the one that came before
    /// `before` on, which need not be there any more.
    pub(crate) async fn documents_in(
        &self,
        owner: &str,
        collection: &str,
        state: Option<EntryState>,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Found>, DbError> {
        let sql = concat!(
            "SELECT ",
            found_columns!(),
            " FROM document_entries e JOIN documents d ON d.id = e.document \
             WHERE e.owner = $1 AND e.collection = $2 AND ($3 IS NULL OR e.document < $3) \
             AND ($4 < 0 OR e.state = $4) AND d.state = 1 ORDER BY e.document DESC LIMIT $5"
        );
        let state = state.map_or(-1, EntryState::code);
        let mut documents = Vec::new();
        reading!(self, |pool| {
            let query = sqlx::query(sql).bind(owner).bind(collection).bind(before);
            for row in query.bind(state).bind(limit).fetch_all(pool).await? {
                documents.push(found!(row));
            }
        });
        Ok(documents)
    }
}

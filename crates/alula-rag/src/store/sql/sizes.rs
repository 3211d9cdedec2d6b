//! How much there is in collections, added up once for each change of them.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Conn;
use crate::{Scope, StoreError, store::Embedded};

/// Of how many collections it is kept.
const COLLECTIONS: usize = 4_096;

/// The sizes of the collections that were searched last.
#[derive(Debug)]
pub(super) struct Sizes(Cache<i64, Arc<Size>>);

/// What is found of a collection, as it was at a change of it.
#[derive(Debug, Default)]
pub(super) struct Size {
    change: i64,
    /// Entries of which a version is found.
    live: u64,
    /// The chunks of these.
    pub(super) chunks: u64,
    /// How much of that has vectors, by their spaces.
    spaces: Vec<InSpace>,
}

#[derive(Debug)]
struct InSpace {
    space: i64,
    model: String,
    dimensions: u32,
    entries: u64,
    chunks: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self(Cache::new(COLLECTIONS))
    }
}

impl Sizes {
    /// The key of a collection and its size, if there is one.
    pub(super) async fn of(
        &self,
        conn: &mut Conn<'_>,
        scope: Scope<'_>,
    ) -> Result<Option<(i64, Arc<Size>)>, StoreError> {
        let find = "SELECT key, change FROM rag_collections WHERE tenant = $1 AND id = $2";
        let row = conn.row(find, &[scope.tenant.into(), scope.collection.into()]).await?;
        let Some(row) = row else { return Ok(None) };
        let (key, change) = (row.int(0)?, row.int(1)?);
        if let Some(size) = self.0.get(&key).filter(|size| size.change == change) {
            return Ok(Some((key, size)));
        }
        let size = Arc::new(added_up(conn, key, change).await?);
        self.0.insert(key, size.clone());
        Ok(Some((key, size)))
    }
}

/// If it changes meanwhile, it is of a later change than it says, and is added up again.
async fn added_up(conn: &mut Conn<'_>, key: i64, change: i64) -> Result<Size, StoreError> {
    let add = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(e.chunks), 0) AS BIGINT), \
               e.space, s.model, s.dimensions \
               FROM rag_entries AS e LEFT JOIN rag_spaces AS s ON s.key = e.space \
               WHERE e.collection = $1 AND e.live IS NOT NULL \
               GROUP BY e.space, s.model, s.dimensions";
    let mut size = Size { change, ..Size::default() };
    for row in conn.rows(add, &[key.into()]).await? {
        let (entries, chunks) = (row.count(0)?, row.count(1)?);
        size.live += entries;
        size.chunks += chunks;
        if let (Some(space), Some(model)) = (row.maybe_int(2)?, row.maybe_text(3)?) {
            let dimensions = row.small(4)?;
            size.spaces.push(InSpace { space, model, dimensions, entries, chunks });
        }
    }
    Ok(size)
}

impl Size {
    /// How many chunks have vectors of a space.
    pub(super) fn chunks_in(&self, space: i64) -> u64 {
        self.spaces.iter().find(|it| it.space == space).map_or(0, |it| it.chunks)
    }

    /// How much of it is found by vectors of a model: by those of the length that most have.
    pub(super) fn embedded(&self, model: &str) -> Embedded {
        let of_model = self.spaces.iter().filter(|it| it.model == model);
        let most = of_model.max_by_key(|it| (it.entries, it.space));
        Embedded {
            live: self.live,
            embedded: most.map_or(0, |it| it.entries),
            dimensions: most.map(|it| it.dimensions),
        }
    }
}

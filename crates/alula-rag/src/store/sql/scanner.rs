//! Finding what is near to a vector by looking at all of a collection.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
};

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::{
    Bind, Conn,
    rows::{from_json, key_of, to_json},
    segments::SEGMENT_SHIFT,
    select::Condition,
    task::{Task, Waiting, bytes_of, pieces},
};
use crate::{
    ChunkKey, Scope, StoreError,
    search::Selection,
    store::{
        Near, blocking,
        scan::{Codes, Index, Memory, Nearest, Place, Probe, Segment, decode},
    },
};

/// How many more are looked at again by their exact vectors than are wanted, as bytes may be wrong
/// about the order of those that are as near: a part of them, and a few.
const MORE_PART: usize = 4;
const MORE: usize = 16;

/// How many collections can be read at once, as far as they have turns.
const GATES: usize = 16;

/// Scans vectors.
#[derive(Debug)]
pub(super) struct Scanner {
    memory: Memory,
    /// How many scans run at once: each takes a core.
    turns: Arc<Semaphore>,
    /// Whoever reads a collection into memory holds the gate of it; others wait for what comes of it.
    gates: [Mutex<()>; GATES],
}

/// What is searched, and for what.
pub(super) struct Search<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) space: i64,
    /// Of length one.
    pub(super) vector: &'a [f32],
    pub(super) selection: &'a Selection,
    pub(super) limit: usize,
}

impl Scanner {
    pub(super) fn new(bytes_max: usize, scans_max: usize) -> Self {
        Self {
            memory: Memory::new(bytes_max),
            turns: Arc::new(Semaphore::new(scans_max.clamp(1, Semaphore::MAX_PERMITS))),
            gates: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// What is near to a vector in a snapshot, which the connection has.
    pub(super) async fn find(
        &self,
        conn: &mut Conn<'_>,
        search: &Search<'_>,
    ) -> Result<Vec<Near>, StoreError> {
        let Some((index, entries)) = self.prepare(conn, search).await? else {
            return Ok(Vec::new());
        };
        let task = Arc::new(Task {
            index,
            probe: Probe::new(search.vector),
            include_archived: search.selection.include_archived,
            entries,
            is_over: AtomicBool::new(false),
        });
        let _waiting = Waiting(task.clone());
        let looked_at = search.limit + search.limit / MORE_PART + MORE;
        let mut nearest = Nearest::new(looked_at);
        let turn = self.turn().await?;
        let scan = task.clone();
        nearest = blocking(move || scan.kept(nearest)).await?;
        for keys in task.unkept(search.vector.len()) {
            let codes = codes_of(conn, &keys, search.vector.len()).await?;
            let scan = task.clone();
            nearest = blocking(move || scan.read(nearest, &codes)).await?;
        }
        drop(turn);
        let mut near = exact(conn, search, &task.index, &nearest.into_places()).await?;
        near.truncate(search.limit);
        Ok(near)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.turns.clone().acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    /// The index of the collection, and the entries of it that are searched, if these are not all.
    async fn prepare(
        &self,
        conn: &mut Conn<'_>,
        search: &Search<'_>,
    ) -> Result<Option<(Arc<Index>, Option<HashSet<i64>>)>, StoreError> {
        let Some((collection, change)) = state(conn, search.scope).await? else {
            return Ok(None);
        };
        let of = (collection, search.space);
        let index = match self.memory.get(of) {
            Some(index) if index.change == change => index,
            _ => self.renewed(conn, of, change, search.vector.len()).await?,
        };
        let selection = search.selection;
        let entries = match selection.is_narrow() {
            true => Some(entries(conn, collection, selection).await?),
            false => None,
        };
        Ok(Some((index, entries)))
    }

    /// The index of a collection as it is in the snapshot. Those who need the same one wait for the
    /// first.
    async fn renewed(
        &self,
        conn: &mut Conn<'_>,
        of: (i64, i64),
        change: i64,
        dimensions: usize,
    ) -> Result<Arc<Index>, StoreError> {
        let gate = usize::try_from(of.0).unwrap_or_default() % GATES;
        let Some(gate) = self.gates.get(gate) else { return Err(StoreError::Closed) };
        let _gate = gate.lock().await;
        // It takes as much memory as a scan, and more.
        let _turn = self.turn().await?;
        let old = self.memory.get(of);
        if let Some(index) = old.as_ref().filter(|index| index.change == change) {
            return Ok(index.clone());
        }
        let index = self.refresh(conn, of, change, dimensions, old).await?;
        self.memory.put(of, index.clone());
        Ok(index)
    }

    /// The index as it is at a change, with what the old one has of it.
    async fn refresh(
        &self,
        conn: &mut Conn<'_>,
        of: (i64, i64),
        change: i64,
        dimensions: usize,
        old: Option<Arc<Index>>,
    ) -> Result<Arc<Index>, StoreError> {
        let mut segments = list(conn, of).await?;
        let old: HashMap<i64, &Arc<Codes>> = old
            .iter()
            .flat_map(|old| &old.segments)
            .filter_map(|it| Some((it.key, it.codes.as_ref()?)))
            .collect();
        let mut room =
            self.memory.bytes_max().saturating_sub(segments.len() * size_of::<Segment>());
        let mut missing = Vec::new();
        for (place, segment) in segments.iter_mut().enumerate() {
            let size = bytes_of(segment.count, dimensions);
            if room < size {
                continue;
            }
            room -= size;
            match old.get(&segment.key) {
                Some(codes) => segment.codes = Some(Arc::clone(codes)),
                None => missing.push(((place, segment.key), size)),
            }
        }
        for piece in pieces(missing) {
            let keys: Vec<i64> = piece.iter().map(|(_, key)| *key).collect();
            let codes = codes_of(conn, &keys, dimensions).await?;
            let mut codes: HashMap<i64, Codes> = codes.into_iter().collect();
            for (place, key) in piece {
                if let Some(segment) = segments.get_mut(place) {
                    segment.codes = codes.remove(&key).map(Arc::new);
                }
            }
        }
        Ok(Arc::new(Index { change, segments }))
    }
}

/// All segments of a collection and a space that are found, in the order of their keys, without
/// their vectors.
async fn list(conn: &mut Conn<'_>, of: (i64, i64)) -> Result<Vec<Segment>, StoreError> {
    const COLUMNS: &str = "s.key, e.key, s.edition, e.archived, s.first, s.count";
    let from = "FROM rag_segments AS s \
                JOIN rag_entries AS e ON e.live = s.edition AND e.space = s.space \
                WHERE s.collection = $1 AND s.space = $2";
    let rows = gathered(conn, COLUMNS, from, &[of.0.into(), of.1.into()]).await?;
    blocking(move || {
        let rows: Vec<[i64; 6]> = from_json(&rows, "segments")?;
        let small = |it: i64| u32::try_from(it).map_err(|_| StoreError::Malformed("a segment"));
        let segments = rows.into_iter().map(|[key, entry, edition, archived, first, count]| {
            let (first, count) = (small(first)?, small(count)?);
            Ok(Segment { key, entry, edition, archived: archived != 0, first, count, codes: None })
        });
        let mut segments = segments.collect::<Result<Vec<_>, StoreError>>()?;
        segments.sort_unstable_by_key(|segment| segment.key);
        Ok(segments)
    })
    .await?
}

/// The entries of a collection that are selected.
async fn entries(
    conn: &mut Conn<'_>,
    collection: i64,
    selection: &Selection,
) -> Result<HashSet<i64>, StoreError> {
    let mut binds = vec![collection.into()];
    let condition = Condition::of(selection, &mut binds);
    let from = format!("FROM rag_entries AS e WHERE e.collection = $1{condition}");
    let rows = gathered(conn, "e.key", &from, &binds).await?;
    blocking(move || {
        let rows: Vec<[i64; 1]> = from_json(&rows, "keys")?;
        Ok(rows.into_iter().map(|[key]| key).collect())
    })
    .await?
}

/// Rows of whole numbers as one text, as that is many times faster than as rows.
async fn gathered(
    conn: &mut Conn<'_>,
    columns: &str,
    from: &str,
    binds: &[Bind<'_>],
) -> Result<String, StoreError> {
    let gather = if conn.is_postgres() {
        format!("SELECT CAST(COALESCE(json_agg(json_build_array({columns})), '[]') AS TEXT) {from}")
    } else {
        format!("SELECT json_group_array(json_array({columns})) {from}")
    };
    let row = conn.row(&gather, binds).await?;
    row.map_or_else(|| Ok("[]".to_owned()), |row| row.text(0))
}

/// The key of a collection, and its change.
async fn state(conn: &mut Conn<'_>, scope: Scope<'_>) -> Result<Option<(i64, i64)>, StoreError> {
    let find = "SELECT key, change FROM rag_collections WHERE tenant = $1 AND id = $2";
    let row = conn.row(find, &[scope.tenant.into(), scope.collection.into()]).await?;
    row.map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
}

/// The vectors of these segments.
async fn codes_of(
    conn: &mut Conn<'_>,
    keys: &[i64],
    dimensions: usize,
) -> Result<Vec<(i64, Codes)>, StoreError> {
    let find = "SELECT key, count, codes FROM rag_segments WHERE key IN {ints$1}";
    let rows = conn.rows(find, &[to_json(keys)?.into()]).await?;
    let read = rows.iter().map(|row| {
        let count = usize::try_from(row.int(1)?).unwrap_or_default();
        Ok((row.int(0)?, Codes::new(row.bytes(2)?, dimensions, count)?))
    });
    read.collect()
}

/// How near the vectors at these places are, by themselves, the nearest first.
async fn exact(
    conn: &mut Conn<'_>,
    search: &Search<'_>,
    index: &Index,
    places: &[Place],
) -> Result<Vec<Near>, StoreError> {
    let keys: Vec<i64> =
        places.iter().map(|it| it.segment << SEGMENT_SHIFT | i64::from(it.offset)).collect();
    let find = "SELECT key, vector FROM rag_vectors WHERE key IN {ints$1}";
    let rows = conn.rows(find, &[to_json(&keys)?.into()]).await?;
    let mut near = Vec::with_capacity(rows.len());
    for row in rows {
        let (key, vector) = (row.int(0)?, decode(&row.bytes(1)?));
        let segments = &index.segments;
        let place = segments.binary_search_by_key(&(key >> SEGMENT_SHIFT), |it| it.key);
        let Some(segment) = place.ok().and_then(|place| segments.get(place)) else { continue };
        let offset = u32::try_from(key & ((1 << SEGMENT_SHIFT) - 1)).unwrap_or_default();
        near.push(Near {
            key: ChunkKey(key_of(segment.edition, segment.first.saturating_add(offset))),
            similarity: vector.iter().zip(search.vector).map(|(a, b)| a * b).sum(),
        });
    }
    sort(&mut near);
    Ok(near)
}

/// The nearest first, and what is as near in the order of the keys.
pub(super) fn sort(near: &mut [Near]) {
    near.sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.key.cmp(&b.key)));
}

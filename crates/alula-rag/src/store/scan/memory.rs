//! What is kept in memory of the vectors of collections.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Codes;

/// The vectors of a collection, as they were at a change of it.
#[derive(Debug)]
pub(crate) struct Index {
    /// The change.
    pub(crate) change: i64,
    /// All that is found, in the order of their keys.
    pub(crate) segments: Vec<Segment>,
}

/// Vectors of chunks that follow each other.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Its key.
    pub(crate) key: i64,
    /// The entry that it is of.
    pub(crate) entry: i64,
    /// The edition of that, and whether the entry is archived.
    pub(crate) edition: i64,
    pub(crate) archived: bool,
    /// The place of its first chunk.
    pub(crate) first: u32,
    /// How many there are.
    pub(crate) count: u32,
    /// The vectors, if they are kept in memory.
    pub(crate) codes: Option<Arc<Codes>>,
}

impl Index {
    /// How much memory it takes.
    fn size(&self) -> usize {
        let codes: usize = self.segments.iter().flat_map(|it| &it.codes).map(|it| it.size()).sum();
        codes + self.segments.len() * size_of::<Segment>()
    }
}

/// The indices that were used last, as far as there is room.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

/// A collection and a space.
pub(crate) type Of = (i64, i64);

#[derive(Debug, Default)]
struct Kept {
    indices: HashMap<Of, (Arc<Index>, usize, u64)>,
    bytes: usize,
    /// Counts the uses.
    clock: u64,
}

impl Memory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// How much an index may take.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What is kept of a collection.
    pub(crate) fn get(&self, of: Of) -> Option<Arc<Index>> {
        self.with(|kept| {
            kept.clock += 1;
            let clock = kept.clock;
            let (index, _, used) = kept.indices.get_mut(&of)?;
            *used = clock;
            Some(index.clone())
        })
    }

    /// Keeps an index, and forgets those that were not used for the longest time, as far as they
    /// are in its way. One of an earlier change than is kept is left out: a search that began before
    /// others takes nothing from them.
    pub(crate) fn put(&self, of: Of, index: Arc<Index>) {
        let size = index.size();
        self.with(|kept| {
            kept.clock += 1;
            if kept.indices.get(&of).is_some_and(|(known, ..)| known.change > index.change) {
                return;
            }
            if let Some((_, size, _)) = kept.indices.remove(&of) {
                kept.bytes -= size;
            }
            while kept.bytes + size > self.bytes_max {
                let oldest = kept.indices.iter().min_by_key(|(_, (_, _, used))| *used);
                let Some(oldest) = oldest.map(|(of, _)| *of) else { break };
                if let Some((_, size, _)) = kept.indices.remove(&oldest) {
                    kept.bytes -= size;
                }
            }
            kept.bytes += size;
            kept.indices.insert(of, (index, size, kept.clock));
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        // What a panic has left is as good as before: each change is small.
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(bytes: usize) -> Arc<Index> {
        index_of(1, bytes)
    }

    fn index_of(change: i64, bytes: usize) -> Arc<Index> {
        let codes = Codes::new(vec![0; bytes], bytes - 4, 1).unwrap();
        let segment = Segment {
            key: 1,
            entry: 1,
            edition: 1,
            archived: false,
            first: 0,
            count: 1,
            codes: Some(Arc::new(codes)),
        };
        Arc::new(Index { change, segments: vec![segment] })
    }

    #[test]
    fn what_was_used_last_is_kept() {
        let memory = Memory::new(3_000);
        memory.put((1, 1), index(1_000));
        memory.put((2, 1), index(1_000));
        assert!(memory.get((1, 1)).is_some());
        memory.put((3, 1), index(1_000));
        let kept = [1, 2, 3].map(|collection| memory.get((collection, 1)).is_some());
        assert_eq!(kept, [true, false, true]);
        memory.put((3, 1), index(2_500));
        let kept = [1, 2, 3].map(|collection| memory.get((collection, 1)).is_some());
        assert_eq!(kept, [false, false, true]);
    }

    #[test]
    fn what_is_older_takes_the_place_of_nothing_newer() {
        let memory = Memory::new(3_000);
        for change in [1, 3, 2] {
            memory.put((1, 1), index_of(change, 1_000));
        }
        assert_eq!(memory.get((1, 1)).unwrap().change, 3);
    }
}

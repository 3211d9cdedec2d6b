//! A scan, on whichever thread it runs.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::store::scan::{Codes, Index, Nearest, Place, Probe, Segment};

/// How many bytes of vectors are read at once that are not kept in memory.
const READ: usize = 8 << 20;

/// What a scan needs to know, on whichever thread it runs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) index: Arc<Index>,
    pub(super) probe: Probe,
    pub(super) include_archived: bool,
    /// The entries that are searched; all where this is nothing.
    pub(super) entries: Option<HashSet<i64>>,
    /// Nobody waits for it any more.
    pub(super) is_over: AtomicBool,
}

/// Ends a scan when nobody waits for it any more.
pub(super) struct Waiting(pub(super) Arc<Task>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

impl Task {
    fn is_searched(&self, segment: &Segment) -> bool {
        (self.include_archived || !segment.archived)
            && self.entries.as_ref().is_none_or(|entries| entries.contains(&segment.entry))
    }

    /// Looks at what is kept in memory.
    pub(super) fn kept(&self, mut nearest: Nearest) -> Nearest {
        for segment in &self.index.segments {
            if self.is_over.load(Relaxed) {
                break;
            }
            if let Some(codes) = segment.codes.as_ref().filter(|_| self.is_searched(segment)) {
                offer(&mut nearest, segment.key, codes, &self.probe);
            }
        }
        nearest
    }

    /// Looks at what has just been read.
    pub(super) fn read(&self, mut nearest: Nearest, codes: &[(i64, Codes)]) -> Nearest {
        for (segment, codes) in codes {
            offer(&mut nearest, *segment, codes, &self.probe);
        }
        nearest
    }

    /// The segments that are searched and not kept in memory, in pieces that can be.
    pub(super) fn unkept(&self, dimensions: usize) -> Vec<Vec<i64>> {
        let unkept = self.index.segments.iter().filter(|it| it.codes.is_none());
        let searched = unkept.filter(|it| self.is_searched(it));
        pieces(searched.map(|it| (it.key, bytes_of(it.count, dimensions))))
    }
}

fn offer(nearest: &mut Nearest, segment: i64, codes: &Codes, probe: &Probe) {
    for (offset, near) in (0..).zip(codes.near(probe)) {
        nearest.offer(near, Place { segment, offset });
    }
}

/// About how much memory a segment takes.
pub(super) fn bytes_of(count: u32, dimensions: usize) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(dimensions.saturating_add(4))
}

/// Divides what has a size, so that no piece is much larger than is read at once.
pub(super) fn pieces<T>(sized: impl IntoIterator<Item = (T, usize)>) -> Vec<Vec<T>> {
    let mut pieces = Vec::new();
    let mut bytes = usize::MAX;
    for (it, size) in sized {
        bytes = bytes.saturating_add(size);
        if bytes > READ {
            pieces.push(Vec::new());
            bytes = size;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(it);
        }
    }
    pieces
}

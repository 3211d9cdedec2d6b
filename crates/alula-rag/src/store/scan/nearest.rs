//! The nearest of many.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Where a vector is: in which segment, and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) segment: i64,
    pub(crate) offset: u32,
}

/// Keeps the nearest so many.
#[derive(Debug)]
pub(crate) struct Nearest {
    limit: usize,
    /// The one that is furthest away of those kept is on top.
    kept: BinaryHeap<Candidate>,
    /// What is not nearer is not kept.
    least: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    near: f32,
    place: Place,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of two that are as near, the one that was there first is kept.
        other.near.total_cmp(&self.near).then(self.place.cmp(&other.place))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Nearest {
    pub(crate) fn new(limit: usize) -> Self {
        let least = if limit == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { limit, kept: BinaryHeap::with_capacity(limit.saturating_add(1)), least }
    }

    #[inline]
    pub(crate) fn offer(&mut self, near: f32, place: Place) {
        if near > self.least {
            self.keep(Candidate { near, place });
        }
    }

    fn keep(&mut self, candidate: Candidate) {
        self.kept.push(candidate);
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
        if self.kept.len() == self.limit {
            self.least = self.kept.peek().map_or(self.least, |it| it.near);
        }
    }

    /// The places of what was kept, the nearest first.
    pub(crate) fn into_places(self) -> Vec<Place> {
        self.kept.into_sorted_vec().into_iter().map(|it| it.place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(limit: usize, all: &[f32]) -> Vec<u32> {
        let mut nearest = Nearest::new(limit);
        for (offset, near) in (0..).zip(all) {
            nearest.offer(*near, Place { segment: 1, offset });
        }
        nearest.into_places().iter().map(|place| place.offset).collect()
    }

    #[test]
    fn the_nearest_come_first_and_the_first_of_equals() {
        assert_eq!(nearest(2, &[0.1, 0.5, 0.3, 0.5]), [1, 3]);
        assert_eq!(nearest(2, &[0.5, 0.5, 0.5]), [0, 1]);
        assert_eq!(nearest(9, &[-1.0, f32::NAN, 1.0]), [2, 0]);
        assert_eq!(nearest(0, &[1.0]), [0; 0]);
    }
}

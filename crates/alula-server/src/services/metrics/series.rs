//! A bounded number of series whose labels are known only as they come.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    sync::OnceLock,
};

/// How many places are looked at before a table counts as full.
const PROBES: usize = 16;

/// Instruments by the values of their labels, which each of them knows: at most so many, so that
/// clients who name models cannot fill the memory of the server and of Prometheus.
///
/// What is in it stays, so it is read without a lock.
#[derive(Debug)]
pub(crate) struct Series<T> {
    places: Box<[OnceLock<T>]>,
    hasher: RandomState,
}

impl<T> Series<T> {
    /// A table for about this many.
    pub(crate) fn new(size: usize) -> Self {
        let places = std::iter::repeat_with(OnceLock::new).take(size.max(1)).collect();
        Self { places, hasher: RandomState::new() }
    }

    /// The instruments of these labels, which are made the first time; nothing if there is no room.
    pub(crate) fn of(
        &self,
        labels: &impl Hash,
        has: impl Fn(&T) -> bool,
        make: impl Fn() -> T,
    ) -> Option<&T> {
        // Whose place it is may be decided by another thread, for other labels.
        self.probe(labels).map(|place| place.get_or_init(&make)).find(|made| has(made))
    }

    /// The instruments of these labels, if they have been made.
    pub(crate) fn find(&self, labels: &impl Hash, has: impl Fn(&T) -> bool) -> Option<&T> {
        self.probe(labels).map_while(OnceLock::get).find(|made| has(made))
    }

    fn probe(&self, labels: &impl Hash) -> impl Iterator<Item = &OnceLock<T>> {
        let length = self.places.len();
        let hash = self.hasher.hash_one(labels) % (length as u64);
        let start = usize::try_from(hash).unwrap_or_default();
        self.places.iter().cycle().skip(start).take(PROBES.min(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lead_to_what_was_made_for_them_until_it_is_full() {
        let series = Series::new(8);
        let of = |name: usize| series.of(&name, |made| *made == name, || name).copied();
        let found: Vec<_> = (0..100).map(of).collect();
        assert_eq!(found.iter().flatten().count(), 8);
        for (name, known) in found.into_iter().enumerate() {
            assert_eq!(series.find(&name, |made| *made == name).copied(), known);
            assert_eq!(of(name), known);
        }
    }

    #[test]
    fn threads_that_come_together_make_one_of_each() {
        // So large that none of the few finds all its places taken, whatever the hashes are.
        let series = Series::new(4096);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for name in 0..40_u32 {
                        assert!(series.of(&name, |made| *made == name, || name).is_some());
                    }
                });
            }
        });
        assert_eq!(series.places.iter().filter(|place| place.get().is_some()).count(), 40);
    }
}

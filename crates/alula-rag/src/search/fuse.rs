//! One list out of several: reciprocal rank fusion.

use std::collections::{HashMap, HashSet};

use crate::store::ChunkKey;

/// How much the first places of a list count for more than those behind them.
const K: f32 = 60.0;

/// A list of chunks at their places, the best first, and how much it counts.
pub(super) struct List {
    places: Vec<(ChunkKey, u16)>,
    weight: f32,
    /// Whether it is only for those that another list cannot have.
    stands_in: bool,
}

impl List {
    pub(super) fn new(keys: impl IntoIterator<Item = ChunkKey>, weight: f32) -> Self {
        Self { places: keys.into_iter().zip(1..).collect(), weight, stands_in: false }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ChunkKey> {
        self.places.iter().map(|(key, _)| *key)
    }

    /// These at the same places in a list that they cannot be in.
    pub(super) fn stand_in(&self, of: &HashSet<ChunkKey>, weight: f32) -> Self {
        let places = self.places.iter().filter(|(key, _)| of.contains(key));
        Self { places: places.copied().collect(), weight, stands_in: true }
    }
}

/// All that is in any of the lists with a score, the best first: 1 for what is first in each.
///
/// What scores the same is in the order of the keys.
pub(super) fn fuse(lists: &[List]) -> Vec<(ChunkKey, f32)> {
    let total: f32 = lists.iter().filter(|list| !list.stands_in).map(|list| list.weight).sum();
    let mut scores: HashMap<ChunkKey, f32> = HashMap::new();
    for list in lists {
        for (key, place) in &list.places {
            *scores.entry(*key).or_default() += list.weight / (K + f32::from(*place));
        }
    }
    let best = total / (K + 1.0);
    let mut fused: Vec<_> = scores
        .into_iter()
        .filter(|(_, score)| *score > 0.0)
        .map(|(key, score)| (key, score / best))
        .collect();
    fused.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(keys: &[i64], weight: f32) -> List {
        List::new(keys.iter().copied().map(ChunkKey), weight)
    }

    fn order(lists: &[List]) -> Vec<i64> {
        fuse(lists).into_iter().map(|(key, _)| key.0).collect()
    }

    #[test]
    fn what_is_high_in_both_is_first_and_ties_have_an_order() {
        assert_eq!(order(&[list(&[1, 2, 3], 1.0), list(&[3, 2, 4], 1.0)]), [3, 2, 1, 4]);
        assert_eq!(order(&[list(&[2], 1.0), list(&[1], 1.0)]), [1, 2]);
        assert_eq!(order(&[list(&[2], 2.0), list(&[1], 1.0)]), [2, 1]);
        assert_eq!(order(&[list(&[2], 1.0), list(&[1], 0.0)]), [2]);
        assert_eq!(order(&[]), [0; 0]);
    }

    #[test]
    fn the_first_of_all_lists_scores_one() {
        let fused = fuse(&[list(&[7, 8], 1.0), list(&[7], 0.5)]);
        assert!((fused[0].1 - 1.0).abs() < 1e-6 && fused[1].1 < 1.0, "{fused:?}");
    }

    #[test]
    fn what_cannot_be_in_a_list_is_where_it_is_in_the_other() {
        let words = list(&[1, 2, 3], 1.0);
        let stand_in = words.stand_in(&[ChunkKey(1), ChunkKey(3)].into(), 1.0);
        let fused = fuse(&[stand_in, words, list(&[2, 4], 1.0)]);
        let order: Vec<i64> = fused.iter().map(|(key, _)| key.0).collect();
        assert_eq!(order, [1, 2, 3, 4]);
        assert!((fused[0].1 - 1.0).abs() < 1e-6, "{fused:?}");
    }
}

//! One list out of several: a weighted mean of their scores, each brought to 0 to 1.
//!
//! A score by words is a share of the most there could be, and one by vectors lies between the
//! farthest and the nearest that were found. Places alone, as reciprocal rank fusion counts them,
//! would forget that words which few chunks have tell more, and that a second place may be far
//! behind the first: S. Bruch, S. Gai and A. Ingber, [An Analysis of Fusion Functions for Hybrid
//! Retrieval](https://doi.org/10.1145/3596512), 2023. `cargo xtask bench retrieval` measures it.

use std::collections::{HashMap, HashSet};

use super::rank::Ranked;
use crate::store::{ChunkKey, Near};

/// What the farthest of those that were found by vectors counts: it was found.
const SHARE_MIN: f32 = 0.01;

/// Chunks with their scores, from 0 to 1, and how much the list counts.
pub(super) struct List {
    shares: Vec<(ChunkKey, f32)>,
    weight: f32,
    /// Whether it is only for those that another list cannot have.
    stands_in: bool,
}

impl List {
    pub(super) fn by_words(ranked: &[Ranked], weight: f32) -> Self {
        let shares = ranked.iter().map(|it| (it.key, it.score)).collect();
        Self { shares, weight, stands_in: false }
    }

    pub(super) fn by_vectors(near: &[Near], weight: f32) -> Self {
        let similarities = || near.iter().map(|it| it.similarity);
        let farthest = similarities().fold(f32::INFINITY, f32::min);
        let nearest = similarities().fold(f32::NEG_INFINITY, f32::max);
        let between = nearest - farthest;
        let share = |similarity: f32| match between > 0.0 {
            true => SHARE_MIN + (1.0 - SHARE_MIN) * (similarity - farthest) / between,
            false => 1.0,
        };
        let shares = near.iter().map(|it| (it.key, share(it.similarity))).collect();
        Self { shares, weight, stands_in: false }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ChunkKey> {
        self.shares.iter().map(|(key, _)| *key)
    }

    /// These in a list that they cannot be in: the best by words is as good as the nearest.
    pub(super) fn stand_in(&self, of: &HashSet<ChunkKey>, weight: f32) -> Self {
        let best = self.shares.iter().map(|(_, share)| *share).fold(f32::MIN_POSITIVE, f32::max);
        let standing = self.shares.iter().filter(|(key, _)| of.contains(key));
        let shares = standing.map(|(key, share)| (*key, share / best)).collect();
        Self { shares, weight, stands_in: true }
    }
}

/// All that is in any of the lists with a score, the best first: 1 for what is best in each.
///
/// What scores the same is in the order of the keys.
pub(super) fn fuse(lists: &[List]) -> Vec<(ChunkKey, f32)> {
    let total: f32 = lists.iter().filter(|list| !list.stands_in).map(|list| list.weight).sum();
    let mut scores: HashMap<ChunkKey, f32> = HashMap::new();
    for list in lists {
        for (key, share) in &list.shares {
            *scores.entry(*key).or_default() += list.weight * share;
        }
    }
    let mut fused: Vec<_> = scores
        .into_iter()
        .filter(|(_, score)| *score > 0.0)
        .map(|(key, score)| (key, score / total))
        .collect();
    fused.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(found: &[(i64, f32)], weight: f32) -> List {
        let ranked = found.iter().map(|(key, score)| Ranked {
            key: ChunkKey(*key),
            score: *score,
            coverage: 1.0,
        });
        List::by_words(&ranked.collect::<Vec<_>>(), weight)
    }

    fn vectors(found: &[(i64, f32)], weight: f32) -> List {
        let near = found
            .iter()
            .map(|(key, similarity)| Near { key: ChunkKey(*key), similarity: *similarity });
        List::by_vectors(&near.collect::<Vec<_>>(), weight)
    }

    fn order(lists: &[List]) -> Vec<i64> {
        fuse(lists).into_iter().map(|(key, _)| key.0).collect()
    }

    #[test]
    fn what_is_good_in_both_is_first_and_ties_have_an_order() {
        let by_words = || words(&[(1, 0.6), (2, 0.5), (3, 0.1)], 1.0);
        assert_eq!(
            order(&[by_words(), vectors(&[(2, 0.9), (4, 0.8), (1, 0.2)], 1.0)]),
            [2, 4, 1, 3]
        );
        assert_eq!(order(&[words(&[(2, 0.5)], 1.0), words(&[(1, 0.5)], 1.0)]), [1, 2]);
        assert_eq!(order(&[words(&[(2, 0.5)], 2.0), words(&[(1, 0.5)], 1.0)]), [2, 1]);
        assert_eq!(order(&[words(&[(2, 0.5)], 1.0), vectors(&[(1, 0.9)], 0.0)]), [2]);
        assert_eq!(order(&[]), [0; 0]);
    }

    #[test]
    fn a_second_place_that_is_far_behind_counts_less_than_one_that_is_close() {
        let by_words = || words(&[(2, 0.3), (1, 0.1)], 1.0);
        assert_eq!(order(&[vectors(&[(1, 0.9), (2, 0.3), (3, 0.2)], 1.0), by_words()])[0], 1);
        assert_eq!(order(&[vectors(&[(1, 0.9), (2, 0.85), (3, 0.2)], 1.0), by_words()])[0], 2);
    }

    #[test]
    fn scores_are_shares_of_the_best_there_can_be() {
        let fused = fuse(&[words(&[(7, 1.0), (8, 0.5)], 1.0), vectors(&[(7, 0.4)], 0.5)]);
        assert!((fused[0].1 - 1.0).abs() < 1e-6 && fused[1].1 < 0.5, "{fused:?}");
        // Vectors say only which is nearer.
        let fused = fuse(&[vectors(&[(1, -0.1), (2, -0.3)], 1.0)]);
        assert!((fused[0].1 - 1.0).abs() < 1e-6 && fused[1].1 > 0.0, "{fused:?}");
    }

    #[test]
    fn what_cannot_be_in_a_list_has_its_place_by_words() {
        let by_words = words(&[(1, 0.6), (2, 0.3), (3, 0.2)], 1.0);
        let stand_in = by_words.stand_in(&[ChunkKey(1), ChunkKey(3)].into(), 1.0);
        let fused = fuse(&[stand_in, by_words, vectors(&[(2, 0.9), (4, 0.1)], 1.0)]);
        let order: Vec<i64> = fused.iter().map(|(key, _)| key.0).collect();
        assert_eq!(order, [1, 2, 3, 4]);
        assert!((fused[0].1 - 0.8).abs() < 1e-6, "{fused:?}");
    }
}

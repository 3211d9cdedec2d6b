//! One list out of several: reciprocal rank fusion.

use std::collections::HashMap;

use crate::store::ChunkKey;

/// How much the first places of a list count for more than those behind them.
const K: f32 = 60.0;

/// A list, the best first, and how much it counts.
pub(super) struct List {
    pub(super) keys: Vec<ChunkKey>,
    pub(super) weight: f32,
}

/// All that is in any of the lists with a score, the best first: 1 for what is first in each.
///
/// What scores the same is in the order of the keys.
pub(super) fn fuse(lists: &[List]) -> Vec<(ChunkKey, f32)> {
    let total: f32 = lists.iter().map(|list| list.weight).sum();
    let mut scores: HashMap<ChunkKey, f32> = HashMap::new();
    for list in lists {
        for (place, key) in (1_u16..).zip(&list.keys) {
            *scores.entry(*key).or_default() += list.weight / (K + f32::from(place));
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
        List { keys: keys.iter().copied().map(ChunkKey).collect(), weight }
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
}

//! Ranking chunks by the words of a query: bm25 over the collection, whatever the database thinks.

use std::collections::HashMap;

use super::words::words;
use crate::{
    Span,
    store::{ChunkKey, WordMatches},
};

/// How soon a word that is repeated counts no more.
const K1: f32 = 1.2;
/// How much long chunks are held against themselves.
const B: f32 = 0.75;

/// A chunk that has words of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    pub(super) key: ChunkKey,
    /// Its bm25, as a share of what no chunk can exceed: from 0 to 1.
    pub(super) score: f32,
    /// How much of the query its words are, by what they tell: from 0 to 1.
    pub(super) coverage: f32,
}

/// What was found, the best first. What scores the same is in the order of the keys.
pub(super) fn rank(query: &[String], matches: &WordMatches) -> Vec<Ranked> {
    let places: HashMap<&str, usize> =
        query.iter().enumerate().map(|(place, word)| (word.as_str(), place)).collect();
    let tells: Vec<f32> =
        matches.occurrences.iter().map(|count| tells(*count, matches.total)).collect();
    let all: f32 = tells.iter().sum();
    let counted: Vec<_> =
        matches.chunks.iter().map(|(key, text)| (*key, count(text, &places))).collect();
    let lengths: f32 = counted.iter().map(|(_, (length, _))| *length).sum();
    let mean = lengths / as_f32(counted.len().max(1));
    let mut ranked: Vec<Ranked> = counted
        .into_iter()
        .map(|(key, (length, counts))| {
            let norm = K1 * (1.0 - B + B * length / mean.max(1.0));
            let (mut score, mut covered) = (0.0, 0.0);
            for (count, tells) in counts.iter().zip(&tells).filter(|(count, _)| **count > 0.0) {
                score += tells * count * (K1 + 1.0) / (count + norm);
                covered += tells;
            }
            let share = |of: f32| if all > 0.0 { of / all } else { 0.0 };
            Ranked { key, score: share(score) / (K1 + 1.0), coverage: share(covered) }
        })
        .collect();
    ranked.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key)));
    ranked
}

/// How many words a chunk has, and how often those of the query.
fn count(text: &str, places: &HashMap<&str, usize>) -> (f32, Vec<f32>) {
    let mut counts = vec![0.0; places.len()];
    let mut length = 0.0;
    for word in words(text) {
        length += 1.0;
        let place = places.get(&*word.folded);
        if let Some(count) = place.and_then(|place| counts.get_mut(*place)) {
            *count += 1.0;
        }
    }
    (length, counts)
}

/// How much a word tells that is in so many chunks: much if they are few.
fn tells(occurrences: u64, total: u64) -> f32 {
    let total = total.max(occurrences);
    let (n, total) = (as_f32(occurrences), as_f32(total));
    (1.0 + (total - n + 0.5) / (n + 0.5)).ln()
}

/// Where a text has these words. Words that touch, or have letters in common, are one place.
pub(super) fn highlights(text: &str, query: &[String]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for word in words(text).filter(|word| query.iter().any(|it| *it == word.folded)) {
        match spans.last_mut().filter(|last| word.span.start <= last.end) {
            Some(last) => last.end = last.end.max(word.span.end),
            None => spans.push(word.span),
        }
    }
    spans
}

/// Near enough for a weight.
#[expect(clippy::cast_precision_loss, reason = "counts of this size are weights only")]
fn as_f32(count: impl TryInto<u64>) -> f32 {
    count.try_into().unwrap_or(u64::MAX) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(query: &[&str], occurrences: &[u64], texts: &[&str]) -> Vec<(i64, f32)> {
        let query: Vec<String> = query.iter().map(|it| (*it).to_owned()).collect();
        let chunks = (0..).zip(texts).map(|(key, text)| (ChunkKey(key), (*text).to_owned()));
        let matches =
            WordMatches { chunks: chunks.collect(), occurrences: occurrences.to_vec(), total: 100 };
        rank(&query, &matches).iter().map(|it| (it.key.0, it.coverage)).collect()
    }

    #[test]
    fn rare_words_and_short_texts_come_first() {
        let texts =
            ["the bird sings and sings and sings", "an alula", "an alula of the wing so long"];
        let order = ranked(&["bird", "alula"], &[90, 2], &texts);
        assert_eq!(order.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2, 0]);
        assert!(order[0].1 > 0.9 && order[2].1 < 0.1, "{order:?}");
    }

    #[test]
    fn words_that_nothing_has_count_against_it() {
        let order = ranked(&["alula", "carburettor"], &[2, 0], &["an alula"]);
        assert!(order[0].1 < 0.5, "{order:?}");
        assert_eq!(ranked(&["x"], &[0], &[]), []);
    }

    #[test]
    fn highlights_are_where_the_words_are() {
        let query = ["alula".to_owned(), "鳥類".to_owned()];
        let spans = highlights("Die Álula: 鳥類学, alula", &query);
        let pairs: Vec<_> = spans.iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(pairs, [(4, 9), (11, 13), (16, 21)]);
    }
}

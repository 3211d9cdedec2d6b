//! Finding chunks by their words.
//!
//! Each word is indexed as one of its collection: `alula` of the collection 7 is `7xalula`. So a
//! search touches no chunk of another one, and how rare a word is is told by those it is for.

use std::collections::BTreeMap;

use super::{
    Bind, Conn,
    chunks::texts,
    entries,
    rows::{EDITION_SHIFT, to_json},
    select::Condition,
    sizes::Sizes,
};
use crate::{
    Scope, StoreError,
    search::{Selection, words},
    store::WordMatches,
};

/// In how many chunks a word is counted in Postgres, which has to look at each.
const COUNTED_MAX: u64 = 10_000;
/// About how many chunks are looked at, if the rarest words lead to enough of them.
const LOOKED_AT_MAX: u64 = 100_000;
/// The last place of a word that Postgres can note, and how many it notes of one.
const PLACE_MAX: usize = 16_383;
const PLACES_MAX: usize = 255;

/// A word as it is indexed: of letters and digits only, as SQLite parts words at anything else.
fn of(collection: i64, word: &str) -> String {
    format!("{collection}x{word}")
}

/// What is indexed of a text: its words for SQLite, and the literal of a vector for Postgres.
pub(super) fn indexed(is_postgres: bool, collection: i64, text: &str) -> String {
    if !is_postgres {
        let all: Vec<_> = words(text).map(|word| of(collection, &word.folded)).collect();
        return all.join(" ");
    }
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (place, word) in (1..).zip(words(text)) {
        let places = places.entry(of(collection, &word.folded)).or_default();
        if places.len() < PLACES_MAX {
            places.push(place.min(PLACE_MAX).to_string());
        }
    }
    let all = places.iter().map(|(word, places)| format!("{}:{}", quoted(word), places.join(",")));
    all.collect::<Vec<_>>().join(" ")
}

/// A word as a literal of Postgres. It holds letters and digits only; this does not rely on it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

pub(super) async fn find(
    conn: &mut Conn<'_>,
    sizes: &Sizes,
    scope: Scope<'_>,
    words: &[String],
    selection: &Selection,
    limit: u32,
) -> Result<WordMatches, StoreError> {
    let Some((collection, size)) = sizes.of(conn, scope).await? else { return Ok(none(words)) };
    let total = size.chunks;
    let words: Vec<String> = words.iter().map(|word| of(collection, word)).collect();
    let occurrences = if conn.is_postgres() {
        postgres_counts(conn, &words).await?
    } else {
        sqlite_counts(conn, &words).await?
    };
    if occurrences.iter().all(|count| *count == 0) {
        return Ok(WordMatches { occurrences, ..WordMatches::default() });
    }
    let counted_max = if conn.is_postgres() { COUNTED_MAX } else { u64::MAX };
    let all: Vec<Counted<'_>> = words
        .iter()
        .zip(&occurrences)
        .map(|(word, count)| Counted { word, count: *count, weight: weight(*count, total) })
        .collect();
    let few = enough(&all, counted_max, limit);
    let mut keys = Vec::new();
    if few.len() < all.len() {
        keys = by(conn, collection, (&few, &all), selection, limit).await?;
    }
    if keys.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
        // Of what the few find, not enough is selected.
        keys = by(conn, collection, (&all, &all), selection, limit).await?;
    }
    Ok(WordMatches { chunks: texts(conn, &keys).await?, occurrences, total })
}

/// A word, in how many chunks it is, and how much it tells.
#[derive(Debug, Clone, Copy)]
struct Counted<'a> {
    word: &'a str,
    count: u64,
    weight: f64,
}

/// The rarest words: as many as lead to enough chunks, and then as long as they do not lead to too
/// many. The others only rank what these find. A word that was counted to the end may be in any
/// number of chunks.
fn enough<'a>(all: &[Counted<'a>], counted_max: u64, limit: u32) -> Vec<Counted<'a>> {
    let mut rarest = all.to_vec();
    rarest.sort_by_key(|it| it.count);
    let mut sum = 0_u64;
    let is_taken = |it: &Counted<'_>| {
        let is_enough = sum >= u64::from(limit);
        let count = if it.count >= counted_max { LOOKED_AT_MAX + 1 } else { it.count };
        sum = sum.saturating_add(count);
        !is_enough || sum <= LOOKED_AT_MAX
    };
    rarest.into_iter().take_while(is_taken).collect()
}

/// The keys of chunks that have any of the first words, the best first by all of the second.
async fn by(
    conn: &mut Conn<'_>,
    collection: i64,
    words: (&[Counted<'_>], &[Counted<'_>]),
    selection: &Selection,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    if conn.is_postgres() {
        in_postgres(conn, collection, words, selection, limit).await
    } else {
        in_sqlite(conn, collection, words, selection, limit).await
    }
}

fn none(words: &[String]) -> WordMatches {
    WordMatches { occurrences: vec![0; words.len()], ..WordMatches::default() }
}

async fn in_sqlite(
    conn: &mut Conn<'_>,
    collection: i64,
    (few, all): (&[Counted<'_>], &[Counted<'_>]),
    selection: &Selection,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let query =
        if few.len() < all.len() { format!("({}) AND ({})", any(few), any(all)) } else { any(all) };
    let mut binds = vec![query.into(), collection.into(), limit.into()];
    let condition = Condition::of(selection, &mut binds);
    // From the words to the entries, as few entries have all their chunks among them.
    let find = format!(
        "SELECT f.rowid FROM rag_words AS f \
         CROSS JOIN rag_entries AS e ON e.live = f.rowid >> {EDITION_SHIFT} \
         WHERE f.rag_words MATCH $1 AND e.collection = $2{condition} ORDER BY f.rank LIMIT $3"
    );
    keys(conn, &find, &binds).await
}

/// Any of these words, for FTS5. Each is a string of it, and so holds nothing that it reads as its
/// syntax.
fn any(words: &[Counted<'_>]) -> String {
    let words: Vec<_> =
        words.iter().map(|it| format!("\"{}\"", it.word.replace('"', "\"\""))).collect();
    words.join(" OR ")
}

async fn sqlite_counts(conn: &mut Conn<'_>, words: &[String]) -> Result<Vec<u64>, StoreError> {
    let count = "SELECT COALESCE((SELECT doc FROM rag_word_counts WHERE term = r.value), 0) \
                 FROM {rows$1} ORDER BY r.key";
    let rows = conn.rows(count, &[entries::list_of(words).into()]).await?;
    rows.iter().map(|row| row.count(0)).collect()
}

/// Those whose words tell the most, as Postgres does not know how rare a word is.
async fn in_postgres(
    conn: &mut Conn<'_>,
    collection: i64,
    (few, all): (&[Counted<'_>], &[Counted<'_>]),
    selection: &Selection,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let any: Vec<_> = few.iter().map(|it| quoted(it.word)).collect();
    let mut binds: Vec<Bind<'_>> = vec![any.join(" | ").into(), collection.into(), limit.into()];
    let condition = Condition::of(selection, &mut binds);
    let mut sum = "0.0".to_owned();
    for it in all {
        binds.push(quoted(it.word).into());
        let word = binds.len();
        binds.push(Bind::Real(it.weight));
        let weight = binds.len();
        sum += &format!(
            " + CASE WHEN c.words @@ CAST(${word} AS TSQUERY) THEN ${weight} ELSE 0.0 END"
        );
    }
    let find = format!(
        "SELECT c.key FROM rag_chunks AS c \
         JOIN rag_entries AS e ON e.live = c.key >> {EDITION_SHIFT} \
         WHERE c.words @@ CAST($1 AS TSQUERY) AND e.collection = $2{condition} \
         ORDER BY {sum} DESC, ts_rank(c.words, CAST($1 AS TSQUERY), 1) DESC, c.key LIMIT $3"
    );
    keys(conn, &find, &binds).await
}

async fn postgres_counts(conn: &mut Conn<'_>, words: &[String]) -> Result<Vec<u64>, StoreError> {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let count = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM rag_chunks \
                 WHERE words @@ CAST(w.value AS TSQUERY) LIMIT $2) AS counted) \
                 FROM json_array_elements_text($1::json) WITH ORDINALITY AS w(value, place) \
                 ORDER BY w.place";
    let counted_max = i64::try_from(COUNTED_MAX).unwrap_or(i64::MAX);
    let rows = conn.rows(count, &[to_json(&words)?.into(), counted_max.into()]).await?;
    rows.iter().map(|row| row.count(0)).collect()
}

/// How much a word tells that is in so many chunks.
#[expect(clippy::cast_precision_loss, reason = "counts of this size are weights only")]
fn weight(occurrences: u64, total: u64) -> f64 {
    (1.0 + total as f64 / (occurrences as f64 + 0.5)).ln()
}

async fn keys(conn: &mut Conn<'_>, find: &str, binds: &[Bind<'_>]) -> Result<Vec<i64>, StoreError> {
    conn.rows(find, binds).await?.iter().map(|row| row.int(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_collection() {
        assert_eq!(indexed(false, 7, "The Alula, the"), "7xthe 7xalula 7xthe");
        assert_eq!(indexed(true, 7, "The Alula, the"), "'7xalula':2 '7xthe':1,3");
        assert_eq!(quoted("a'b\\"), "'a''b\\\\'");
    }

    #[test]
    fn the_rarest_words_are_enough_in_large_collections() {
        let taken = |counts: &[u64], counted_max: u64, limit: u32| {
            let all: Vec<_> = counts
                .iter()
                .map(|count| Counted { word: "w", count: *count, weight: 1.0 })
                .collect();
            enough(&all, counted_max, limit).iter().map(|it| it.count).collect::<Vec<_>>()
        };
        assert_eq!(taken(&[5_000, 0, 300], u64::MAX, 200), [0, 300, 5_000]);
        assert_eq!(taken(&[900_000, 300, 70_000, 60_000], u64::MAX, 200), [300, 60_000]);
        // The rare ones alone lead to too few.
        assert_eq!(taken(&[900_000, 3, 800_000], u64::MAX, 200), [3, 800_000]);
        assert_eq!(taken(&[900_000], u64::MAX, 200), [900_000]);
        assert_eq!(taken(&[10_000, 10_000, 250], 10_000, 200), [250]);
        assert_eq!(taken(&[10_000, 10_000], 10_000, 200), [10_000]);
    }
}

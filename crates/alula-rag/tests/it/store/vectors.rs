use std::sync::Arc;

use alula_llm::model::Vectors;
use alula_rag::{
    Attributes, ChunkId, Embedder as _, Hashing, SqlStore, Store, StoreError, StoreSettings,
    search::{Comparison, Filter, Mode, Query, SearchMode, Searcher, Selection},
};
use fastrand::Rng;

use super::{MAIN, chunk, hashing, index, on_each, put_entry};

const LENGTH: usize = 48;

fn random_vector(random: &mut Rng) -> Vec<f32> {
    (0..LENGTH).map(|_| random.f32() - 0.5).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Documents with random vectors, of which each third is archived. Returns all vectors with the ids
/// of their chunks.
async fn fill(store: &dyn Store, random: &mut Rng) -> Vec<(usize, ChunkId, Vec<f32>)> {
    let mut all = Vec::new();
    for n in 0..6 {
        let document = format!("d{n}");
        let at = MAIN.entry(&document);
        let attributes = Attributes::default().with("n", f64::from(u8::try_from(n).unwrap()));
        put_entry(store, at, &attributes).await;
        let count = 100 + 150 * n;
        let chunks: Vec<_> = (0..).map(|n| chunk(n, "text")).take(count).collect();
        store.put_chunks(at, "v", &chunks).await.unwrap();
        let mut vectors = Vectors::new();
        for ordinal in 0..u32::try_from(count).unwrap() {
            let vector = random_vector(random);
            vectors.push(&vector).unwrap();
            all.push((n, ChunkId::of(at, "v", ordinal), vector));
        }
        store.put_vectors(at, "v", "m", 0, &vectors).await.unwrap();
        store.publish(at, "v", u32::try_from(count).unwrap(), Some("m")).await.unwrap();
        store.set_archived(at, n % 3 == 0).await.unwrap();
    }
    all
}

/// Whether a search finds the nearest that are selected.
async fn check(
    store: &dyn Store,
    all: &[(usize, ChunkId, Vec<f32>)],
    random: &mut Rng,
    selection: &Selection,
    is_selected: impl Fn(usize) -> bool,
) {
    let vector = random_vector(random);
    let mut expected: Vec<(f32, &ChunkId)> = all
        .iter()
        .filter(|(n, _, _)| is_selected(*n))
        .map(|(_, id, it)| (cosine(it, &vector), id))
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near = store.find_near(MAIN, "m", &vector, selection, 20).await.unwrap();
    assert_eq!(near.len(), 20.min(expected.len()));
    for (near, (similarity, id)) in near.iter().zip(&expected) {
        assert!((near.similarity - similarity).abs() < 1e-4, "{near:?} {similarity}");
        let chunk = store.load(MAIN, &[near.key]).await.unwrap().remove(0);
        assert_eq!(chunk.id, **id);
    }
}

#[tokio::test]
async fn the_nearest_are_found() {
    on_each(async |store| {
        let mut random = Rng::with_seed(1);
        let all = fill(&*store, &mut random).await;
        let filter =
            Filter::Compare { key: "n".to_owned(), comparison: Comparison::Gte, value: 4.0.into() };
        let filtered = Selection { filter: Some(filter), ..Selection::default() };
        let everything = Selection { include_archived: true, ..Selection::default() };
        for _ in 0..5 {
            check(&*store, &all, &mut random, &Selection::default(), |n| n % 3 != 0).await;
            check(&*store, &all, &mut random, &everything, |_| true).await;
            check(&*store, &all, &mut random, &filtered, |n| n >= 4).await;
        }
        store.delete_entry(MAIN.entry("d5")).await.unwrap();
        store.set_archived(MAIN.entry("d3"), false).await.unwrap();
        check(&*store, &all, &mut random, &Selection::default(), |n| [1, 2, 3, 4].contains(&n))
            .await;
        let none = store.find_near(MAIN, "other", &all[0].2, &everything, 9).await.unwrap();
        assert_eq!(none, []);
        let zero = store.find_near(MAIN, "m", &[0.0; LENGTH], &everything, 9).await;
        assert!(matches!(zero, Err(StoreError::Invalid(_))));
    })
    .await;
}

#[tokio::test]
async fn vectors_that_have_no_room_in_memory_are_found_too() {
    for bytes in [0, 30_000] {
        let mut settings = StoreSettings::default();
        settings.scan_bytes_max = bytes;
        let store = SqlStore::in_memory(&settings).await.unwrap();
        let mut random = Rng::with_seed(2);
        let all = fill(&store, &mut random).await;
        for _ in 0..3 {
            check(&store, &all, &mut random, &Selection::default(), |n| n % 3 != 0).await;
        }
    }
}

#[tokio::test]
async fn vectors_are_put_in_any_batches() {
    on_each(async |store| {
        let at = MAIN.entry("a");
        put_entry(&*store, at, &Attributes::default()).await;
        let chunks: Vec<_> = (0..50).map(|n| chunk(n, "text")).collect();
        let mut random = Rng::with_seed(3);
        let vectors: Vec<_> = (0..50).map(|_| random_vector(&mut random)).collect();
        let put = async |from: usize, to: usize| {
            let mut batch = Vectors::new();
            vectors[from..to].iter().for_each(|it| batch.push(it).unwrap());
            let first = u32::try_from(from).unwrap();
            store.put_vectors(at, "v", "m", first, &batch).await
        };
        assert!(matches!(put(0, 1).await, Err(StoreError::Incomplete { .. })));
        store.put_chunks(at, "v", &chunks).await.unwrap();
        put(0, 20).await.unwrap();
        put(30, 50).await.unwrap();
        assert_eq!(store.built(at, "v", Some("m")).await.unwrap().vectors, 20);
        let error = store.publish(at, "v", 50, Some("m")).await.unwrap_err();
        assert!(matches!(error, StoreError::Incomplete { what: "vectors", .. }), "{error}");
        // In other batches than before, some of them again.
        for (from, to) in [(0, 15), (15, 35), (35, 50), (35, 50)] {
            put(from, to).await.unwrap();
        }
        store.publish(at, "v", 50, Some("m")).await.unwrap();
        let near = store.find_near(MAIN, "m", &vectors[17], &Selection::default(), 60).await;
        let near = near.unwrap();
        assert_eq!(near.len(), 50, "each once");
        let first = store.load(MAIN, &[near[0].key]).await.unwrap().remove(0);
        assert_eq!(first.chunk.ordinal, 17);
    })
    .await;
}

#[tokio::test]
async fn another_model_makes_new_vectors_while_words_are_found() {
    on_each(async |store| {
        let (old, new) = (hashing(), Arc::new(Hashing::new(32)));
        for name in ["a", "b", "c"] {
            index(&*store, MAIN.entry(name), "v", &["an alula", "a wing"], Some(&*old)).await;
        }
        let mode = async |embedder: &Arc<Hashing>| {
            let searcher = Searcher::new(store.clone()).with_embedder(embedder.clone());
            let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
            assert!(found.hits.iter().any(|hit| hit.coverage.is_some()), "words are found");
            found.mode
        };
        assert_eq!(mode(&old).await, SearchMode::Hybrid);
        assert_eq!(mode(&new).await, SearchMode::Keyword);
        assert_eq!(store.needs_embedding(old.model(), None, 10).await.unwrap(), []);
        let first = store.needs_embedding(new.model(), None, 2).await.unwrap();
        let names: Vec<_> = first.iter().map(|it| it.document.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let rest = store.needs_embedding(new.model(), Some(first[1].cursor), 2).await.unwrap();
        assert_eq!((rest[0].document.as_str(), rest.len(), rest[0].chunks), ("c", 1, 2));

        for name in ["a", "b", "c"] {
            index(&*store, MAIN.entry(name), "v", &["an alula", "a wing"], Some(&*new)).await;
        }
        assert_eq!(mode(&new).await, SearchMode::Hybrid);
        assert_eq!(mode(&old).await, SearchMode::Keyword);
        assert_eq!(store.needs_embedding(new.model(), None, 10).await.unwrap(), []);
        assert_eq!(store.built(MAIN.entry("a"), "v", Some(old.model())).await.unwrap().vectors, 0);
        assert_eq!(store.sweep(10).await.unwrap(), 0, "nothing is left behind");
        // And back.
        index(&*store, MAIN.entry("a"), "v", &["an alula", "a wing"], Some(&*old)).await;
        assert_eq!(mode(&old).await, SearchMode::Hybrid);
    })
    .await;
}

#[tokio::test]
async fn who_demands_vectors_is_told_that_there_are_none() {
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::in_memory(&StoreSettings::default()).await.unwrap());
    index(&*store, MAIN.entry("a"), "v", &["an alula"], None).await;
    for mode in [Mode::Vector, Mode::Hybrid] {
        let query = Query { mode, ..Query::new("alula") };
        let without = Searcher::new(store.clone());
        let with = without.clone().with_embedder(hashing());
        for searcher in [without, with] {
            let error = searcher.search(MAIN, &query).await.unwrap_err();
            assert!(error.to_string().contains("embedding model"), "{error}");
        }
    }
}

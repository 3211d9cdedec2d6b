//! What is done again, and what two processes do at the same time.

use std::cell::Cell;

use alula_llm::model::{Purpose, Vectors};
use alula_rag::{
    Attributes, Embedder as _, Scope, Store, StoreError,
    search::{Mode, Query, Searcher, Selection},
    store::Snapshot,
};
use futures_util::future::{join, join_all};

use super::{MAIN, chunk, chunks, hashing, index, on_each, on_two, postgres, put_entry};

/// Vectors that point in almost one direction each.
fn vectors(count: usize) -> Vec<Vec<f32>> {
    let vector = |n: usize| {
        let mut vector = vec![0.01; 32];
        vector[n % 32] = 1.0;
        vector[n / 32 % 32] += 0.5;
        vector
    };
    (0..count).map(vector).collect()
}

fn batch(of: &[Vec<f32>]) -> Vectors {
    let mut vectors = Vectors::new();
    of.iter().for_each(|it| vectors.push(it).unwrap());
    vectors
}

#[tokio::test]
async fn vectors_that_are_put_again_are_still_found() {
    on_two(async |one, other| {
        let at = MAIN.entry("a");
        let hashing = hashing();
        let texts = ["an alula", "a wing"];
        index(&*one, at, "v", &texts, Some(&*hashing)).await;
        let near = async |store: &dyn Store| {
            let query = hashing.embed(&["alula"], Purpose::Query).await.unwrap();
            let vector = query.get(0).unwrap();
            let selection = Selection::default();
            store.find_near(MAIN, hashing.model(), vector, &selection, 9).await.unwrap()
        };
        // Both have it in memory, and one of them is asked to index it once more.
        assert_eq!((near(&*one).await.len(), near(&*other).await.len()), (2, 2));
        for _ in 0..2 {
            index(&*one, at, "v", &texts, Some(&*hashing)).await;
            assert_eq!((near(&*one).await.len(), near(&*other).await.len()), (2, 2));
        }
        let part = hashing.embed(&texts[1..], Purpose::Document).await.unwrap();
        one.put_vectors(at, "v", hashing.model(), 1, &part).await.unwrap();
        assert_eq!((near(&*one).await.len(), near(&*other).await.len()), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn two_that_index_the_same_version_do_not_take_from_each_other() {
    on_two(async |one, other| {
        let at = MAIN.entry("a");
        let count = 700;
        put_entry(&*one, at, &Attributes::default()).await;
        let vectors = vectors(count);
        let all: Vec<_> = (0..).map(|n| chunk(n, "an alula")).take(count).collect();
        let index = async |store: &dyn Store, size: usize| {
            store.put_chunks(at, "v", &all).await.unwrap();
            for (number, part) in vectors.chunks(size).enumerate() {
                let first = u32::try_from(number * size).unwrap();
                store.put_vectors(at, "v", "m", first, &batch(part)).await.unwrap();
            }
            let count = u32::try_from(count).unwrap();
            store.publish(at, "v", count, Some("m")).await.unwrap();
        };
        join(index(&*one, 100), index(&*other, 333)).await;
        for store in [&one, &other] {
            assert_eq!(store.built(at, "v", Some("m")).await.unwrap().vectors, 700);
            let selection = Selection::default();
            let near = store.find_near(MAIN, "m", &vectors[5], &selection, 800).await.unwrap();
            assert_eq!(near.len(), count);
        }
        // A batch within others leaves what is around it.
        one.put_vectors(at, "v", "m", 350, &batch(&vectors[350..351])).await.unwrap();
        assert_eq!(one.built(at, "v", Some("m")).await.unwrap().vectors, 700);
        let selection = Selection::default();
        for n in [349, 350, 351, 699] {
            let near = one.find_near(MAIN, "m", &vectors[n], &selection, 1).await.unwrap();
            let found = one.load(MAIN, &[near[0].key]).await.unwrap().remove(0);
            let ordinal = usize::try_from(found.chunk.ordinal).unwrap();
            assert_eq!(vectors[ordinal], vectors[n]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_document_is_found_while_it_is_published_anew() {
    on_two(async |one, other| {
        let at = MAIN.entry("a");
        let hashing = hashing();
        let texts = ["an alula"; 40];
        index(&*one, at, "v0", &texts, Some(&*hashing)).await;
        // As often as it can be, however often that is while one search goes on.
        let (over, mut n) = (Cell::new(false), 0);
        let publish = async {
            while !over.get() {
                n += 1;
                index(&*one, at, &format!("v{n}"), &texts, Some(&*hashing)).await;
            }
        };
        let searcher = Searcher::new(other.clone()).with_embedder(hashing.clone());
        let search = async {
            for n in 0..60 {
                let mode = [Mode::Keyword, Mode::Vector, Mode::Hybrid][n % 3];
                let query = Query { limit: 50, mode, ..Query::new("alula") };
                let found = searcher.search(MAIN, &query).await.unwrap();
                assert_eq!(found.hits.len(), 40, "{mode:?}");
            }
            over.set(true);
        };
        join(publish, search).await;
        assert!(n > 5, "it was published {n} times");
    })
    .await;
}

/// What a snapshot has found it still has when that is replaced, and removed.
#[tokio::test]
async fn a_snapshot_is_of_one_moment() {
    on_two(async |one, other| {
        let hashing = hashing();
        let texts = ["an alula"; 300];
        for name in ["a", "b"] {
            index(&*one, MAIN.entry(name), "v1", &texts, Some(&*hashing)).await;
        }
        let (words, everything) = (["alula".to_owned()], Selection::default());
        let query = hashing.embed(&["alula"], Purpose::Query).await.unwrap();
        let vector = query.get(0).unwrap();
        let count = async |snapshot: &mut dyn Snapshot| {
            let found = snapshot.find_words(MAIN, &words, &everything, 700).await.unwrap();
            let model = hashing.model();
            let near = snapshot.find_near(MAIN, model, vector, &everything, 700).await.unwrap();
            let of_words: Vec<_> = found.chunks.iter().map(|(key, _)| *key).collect();
            let mut of_vectors: Vec<_> = near.iter().map(|near| near.key).collect();
            of_vectors.sort_unstable();
            assert_eq!(of_words, of_vectors);
            snapshot.load(MAIN, &of_words).await.unwrap().len()
        };
        let mut before = other.snapshot().await.unwrap();
        assert_eq!(count(&mut *before).await, 600);
        index(&*one, MAIN.entry("a"), "v2", &texts[..100], Some(&*hashing)).await;
        assert!(one.delete_entry(MAIN.entry("b")).await.unwrap());
        let mut behind = other.snapshot().await.unwrap();
        // Each of them, whatever the other one has left in memory.
        for _ in 0..2 {
            assert_eq!(count(&mut *behind).await, 100);
            assert_eq!(count(&mut *before).await, 600);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_put_into_a_collection_that_is_removed_is_in_one() {
    let Some(server) = postgres::Postgres::start() else { return };
    let settings = alula_rag::StoreSettings::default();
    let store = alula_rag::SqlStore::connect(&server.url(), 6, &settings).await.unwrap();
    for round in 0..40 {
        let names: Vec<String> = (0..3).map(|n| format!("{round}-{n}")).collect();
        let put = names.iter().map(|name| put_entry_of(&store, name));
        let (_, deleted) = join(join_all(put), store.delete_collection(MAIN)).await;
        deleted.unwrap();
    }
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let lost = "SELECT COUNT(*) FROM rag_entries AS e WHERE NOT EXISTS \
                (SELECT 1 FROM rag_collections AS k WHERE k.key = e.collection)";
    let lost: i64 = sqlx::query_scalar(lost).fetch_one(&pool).await.unwrap();
    assert_eq!(lost, 0);
    pool.close().await;
    store.close().await;
}

async fn put_entry_of(store: &dyn Store, name: &str) {
    put_entry(store, MAIN.entry(name), &Attributes::default()).await;
}

#[tokio::test]
async fn a_name_that_cannot_be_kept_is_nobodys() {
    on_each(async |store| {
        let theirs = Scope::new("acme\u{fffd}", "main");
        index(&*store, theirs.entry("a"), "v", &["an alula"], None).await;
        let evil = Scope::new("acme\0", "main");
        let found = Searcher::new(store.clone()).search(evil, &Query::new("alula")).await.unwrap();
        assert_eq!(found.hits, []);
        assert_eq!(store.entries(evil, None, 9).await.unwrap(), []);
        assert!(!store.delete_entry(evil.entry("a")).await.unwrap());
        let error = store.put_chunks(evil.entry("a"), "v", &chunks(&["x"])).await.unwrap_err();
        assert!(matches!(error, StoreError::NoEntry(_)), "{error}");
        assert_eq!(store.counts(theirs).await.unwrap().chunks, 1);
    })
    .await;
}

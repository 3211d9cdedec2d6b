//! What the index of pgvector would miss.

use alula_llm::model::Vectors;
use alula_rag::{
    Attributes, EntryRef, Scope, SqlStore, Store, StoreSettings,
    search::{Comparison, Filter, Selection},
};

use super::{chunk, postgres_with_pgvector, put_entry};

/// Vectors around a direction.
fn around(place: usize, count: usize) -> Vectors {
    let mut random = fastrand::Rng::with_seed(u64::try_from(place).unwrap());
    let mut vectors = Vectors::new();
    for _ in 0..count {
        let mut vector: Vec<f32> = (0..8).map(|_| random.f32() * 0.2).collect();
        vector[place] += 1.0;
        vectors.push(&vector).unwrap();
    }
    vectors
}

async fn fill(store: &dyn Store, at: EntryRef<'_>, vectors: &Vectors) {
    let count = vectors.len();
    let attributes = Attributes::default().with("many", count > 100);
    put_entry(store, at, &attributes).await;
    let chunks: Vec<_> = (0..).map(|n| chunk(n, "text")).take(count).collect();
    store.put_chunks(at, "v", &chunks).await.unwrap();
    store.put_vectors(at, "v", "m", 0, vectors).await.unwrap();
    let count = u32::try_from(count).unwrap();
    store.publish(at, "v", count, Some("m")).await.unwrap();
}

#[tokio::test]
async fn a_collection_is_searched_to_its_end_where_others_are_nearer() {
    let Some(server) = postgres_with_pgvector() else { return };
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    // As if there were hundred times as many.
    for set in ["hnsw.max_scan_tuples = 100", "enable_seqscan = off", "enable_sort = off"] {
        let set = sqlx::AssertSqlSafe(format!("ALTER ROLE CURRENT_USER SET {set}"));
        sqlx::query(set).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let mut settings = StoreSettings::default();
    settings.exact_chunks_max = 10;
    settings.ef_search = 20;
    let store = SqlStore::connect(&server.url(), 3, &settings).await.unwrap();
    let theirs = Scope::new("umbrella", "main");
    fill(&store, theirs.entry("a"), &around(0, 3_000)).await;
    let mine = Scope::new("acme", "main");
    fill(&store, mine.entry("a"), &around(1, 200)).await;
    fill(&store, mine.entry("b"), &around(2, 50)).await;
    let vectors = around(0, 1);
    let near = async |selection: &Selection| {
        let vector = vectors.get(0).unwrap();
        store.find_near(mine, "m", vector, selection, 100).await.unwrap().len()
    };
    assert_eq!(near(&Selection::default()).await, 100);
    let few =
        Filter::Compare { key: "many".to_owned(), comparison: Comparison::Eq, value: false.into() };
    let few = Selection { filter: Some(few), ..Selection::default() };
    assert_eq!(near(&few).await, 50);
    store.close().await;
}

#[tokio::test]
async fn an_index_that_was_not_finished_is_made_again_while_others_write() {
    let Some(server) = postgres_with_pgvector() else { return };
    let settings = StoreSettings::default();
    let store = SqlStore::connect(&server.url(), 3, &settings).await.unwrap();
    let at = Scope::new("acme", "main");
    fill(&store, at.entry("a"), &around(0, 10)).await;
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let is_valid = async || {
        let find = "SELECT indisvalid FROM pg_index WHERE indexrelid = \
                    'rag_embeddings_8'::regclass";
        sqlx::query_scalar::<_, bool>(find).fetch_one(&pool).await.unwrap()
    };
    assert!(is_valid().await);
    let broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = \
                  'rag_embeddings_8'::regclass";
    sqlx::query(broken).execute(&pool).await.unwrap();
    // Another process looks for it once.
    let other = SqlStore::connect(&server.url(), 3, &settings).await.unwrap();
    // Two at once, one of which makes it.
    let (b, c) = (at.entry("b"), at.entry("c"));
    let (five, six) = (around(1, 5), around(2, 6));
    futures_util::future::join(fill(&other, b, &five), fill(&other, c, &six)).await;
    assert!(is_valid().await);
    assert_eq!(store.counts(at).await.unwrap().embedded, 3);
    pool.close().await;
    store.close().await;
    other.close().await;
}

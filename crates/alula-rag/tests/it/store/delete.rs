use std::sync::Arc;

use alula_rag::{Scope, SqlStore, Store, StoreSettings, store::Counts};

use super::{MAIN, documents, hashing, index, on_each};

#[tokio::test]
async fn what_is_deleted_is_gone_and_the_rest_stays() {
    on_each(async |store| {
        let hashing = hashing();
        let other = Scope::new("acme", "other");
        let theirs = Scope::new("umbrella", "main");
        for scope in [MAIN, other, theirs] {
            for name in ["a", "b"] {
                let texts = ["an alula"; 300];
                index(&*store, scope.entry(name), "v1", &texts, Some(&*hashing)).await;
            }
        }
        assert!(store.delete_entry(MAIN.entry("a")).await.unwrap());
        assert!(!store.delete_entry(MAIN.entry("a")).await.unwrap());
        assert_eq!(store.counts(MAIN).await.unwrap().chunks, 300);
        assert!(documents(&store, MAIN, "alula").await.iter().all(|it| it == "b"));

        // The same again is new.
        index(&*store, MAIN.entry("a"), "v1", &["an alula"], None).await;
        assert_eq!(store.counts(MAIN).await.unwrap().chunks, 301);

        assert_eq!(store.delete_collection(MAIN).await.unwrap(), 2);
        assert_eq!(store.delete_collection(MAIN).await.unwrap(), 0);
        assert_eq!(store.counts(MAIN).await.unwrap(), Counts::default());
        assert_eq!(store.delete_tenant("acme").await.unwrap(), 2);
        assert_eq!(store.counts(other).await.unwrap(), Counts::default());
        assert_eq!(store.counts(theirs).await.unwrap().chunks, 600);
        assert_eq!(store.sweep(10).await.unwrap(), 0, "nothing is left behind");
    })
    .await;
}

/// It is removed when it can be.
#[tokio::test]
async fn what_is_found_no_more_is_done_though_its_chunks_are_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rag.db");
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::open(&path, &StoreSettings::default()).await.unwrap());
    for name in ["a", "b"] {
        index(&*store, MAIN.entry(name), "v1", &["an alula"], None).await;
    }
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&pool).await.unwrap();
    };
    run("CREATE TRIGGER keep BEFORE DELETE ON rag_chunks BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    assert!(store.delete_entry(MAIN.entry("a")).await.unwrap());
    assert!(!store.delete_entry(MAIN.entry("a")).await.unwrap());
    // So is a version that another one has replaced.
    index(&*store, MAIN.entry("b"), "v2", &["an alula"], None).await;
    assert_eq!(documents(&store, MAIN, "alula").await, ["b"]);
    assert!(store.sweep(10).await.is_err());
    run("DROP TRIGGER keep").await;
    assert!(store.sweep(10).await.unwrap() > 0);
    assert_eq!(store.sweep(10).await.unwrap(), 0);
    let chunks: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM rag_chunks").fetch_one(&pool).await.unwrap();
    assert_eq!(chunks, 1);
    pool.close().await;
    store.close().await;
}

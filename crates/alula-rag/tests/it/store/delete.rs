use alula_rag::{Scope, store::Counts};

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

//! Calls that are given up, at whatever point.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use alula_llm::model::Purpose;
use alula_rag::{
    Attributes, Embedder as _,
    search::{Mode, Query, Searcher},
};

use super::{MAIN, chunks, hashing, index, on_each, put_entry};

/// Gives a call up when it has been looked at so often. Returns whether it was done before.
async fn given_up(call: impl Future, after: u32) -> bool {
    let mut call = pin!(call);
    let mut looks = 0;
    poll_fn(|context| {
        if call.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        looks += 1;
        if looks > after { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

/// Each step of indexing is given up after one look, two, three and so on, until it is done; what is
/// found then is what is found when nothing was given up.
#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_broken() {
    on_each(async |store| {
        let hashing = hashing();
        let texts = ["an alula"; 300];
        let vectors = hashing.embed(&texts, Purpose::Document).await.unwrap();
        let chunks = chunks(&texts);
        let at = MAIN.entry("a");
        let searcher = Searcher::new(store.clone()).with_embedder(hashing.clone());
        for version in ["v1", "v2"] {
            until_done(async || put_entry(&*store, at, &Attributes::default()).await).await;
            until_done(async || store.put_chunks(at, version, &chunks).await.unwrap()).await;
            until_done(async || {
                store.put_vectors(at, version, hashing.model(), 0, &vectors).await.unwrap();
            })
            .await;
            let model = Some(hashing.model());
            until_done(async || store.publish(at, version, 300, model).await.unwrap()).await;
            for mode in [Mode::Hybrid, Mode::Keyword, Mode::Vector] {
                let query = Query { limit: 200, mode, ..Query::new("alula") };
                until_done(async || searcher.search(MAIN, &query).await.unwrap()).await;
                let found = searcher.search(MAIN, &query).await.unwrap();
                assert_eq!(found.hits.len(), 200, "{mode:?}");
            }
        }
        index(&*store, MAIN.entry("b"), "v", &["an alula"], Some(&*hashing)).await;
        until_done(async || store.delete_entry(at).await.unwrap()).await;
        let counts = store.counts(MAIN).await.unwrap();
        assert_eq!((counts.entries, counts.chunks), (1, 1));
        until_done(async || store.delete_tenant("acme").await.unwrap()).await;
        until_done(async || store.sweep(100).await.unwrap()).await;
        assert_eq!(store.sweep(1).await.unwrap(), 0, "nothing is left behind");
        assert_eq!(store.counts(MAIN).await.unwrap().entries, 0);
    })
    .await;
}

async fn until_done<F: AsyncFn() -> T, T>(call: F) {
    let mut after = 0;
    while !given_up(call(), after).await {
        // Fewer points in the middle of the long ones.
        after += 1 + after / 4;
    }
}

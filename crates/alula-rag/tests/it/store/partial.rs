//! Collections of which only a part has vectors, or such of another length.

use std::sync::Arc;

use alula_llm::model::{Purpose, Vectors};
use alula_rag::{
    EmbedError, Embedder, Hashing,
    search::{Mode, Query, SearchError, SearchMode, Searcher},
};
use async_trait::async_trait;

use super::{MAIN, hashing, index, on_each};

#[tokio::test]
async fn documents_without_vectors_are_not_held_back() {
    on_each(async |store| {
        let hashing = hashing();
        for n in 0..10 {
            let name = format!("embedded-{n}");
            let text = format!("a long text that has an alula somewhere and says {n} more things");
            index(&*store, MAIN.entry(&name), "v", &[&text], Some(&*hashing)).await;
        }
        index(&*store, MAIN.entry("new"), "v", &["alula"], None).await;
        let searcher = Searcher::new(store.clone()).with_embedder(hashing.clone());
        let query = Query { limit: 20, ..Query::new("alula") };
        let found = searcher.search(MAIN, &query).await.unwrap();
        assert_eq!((found.mode, found.unembedded), (SearchMode::Hybrid, 1));
        assert_eq!(found.hits[0].document, "new");
        assert_eq!((found.hits.len(), found.hits[0].similarity), (11, None));
        let query = Query { mode: Mode::Vector, limit: 20, ..Query::new("alula") };
        let found = searcher.search(MAIN, &query).await.unwrap();
        assert_eq!((found.mode, found.hits.len(), found.unembedded), (SearchMode::Vector, 10, 1));

        index(&*store, MAIN.entry("new"), "v", &["alula"], Some(&*hashing)).await;
        let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
        assert_eq!((found.hits[0].document.as_str(), found.unembedded), ("new", 0));
    })
    .await;
}

/// A model that has kept its name.
#[derive(Debug)]
struct Renewed(Hashing);

#[async_trait]
impl Embedder for Renewed {
    fn model(&self) -> &str {
        "hashing@64"
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        self.0.embed(texts, purpose).await
    }
}

#[tokio::test]
async fn vectors_of_another_length_leave_the_words_and_say_so() {
    on_each(async |store| {
        for name in ["a", "b"] {
            index(&*store, MAIN.entry(name), "v", &["an alula"], Some(&*hashing())).await;
        }
        let renewed = Arc::new(Renewed(Hashing::new(32)));
        let searcher = Searcher::new(store.clone()).with_embedder(renewed.clone());
        let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
        assert_eq!((found.mode, found.hits.len()), (SearchMode::Keyword, 2));
        let reason = found.fallback.unwrap().to_string();
        assert_eq!(reason, "the vectors have 32 numbers and not 64");
        let query = Query { mode: Mode::Hybrid, ..Query::new("alula") };
        let error = searcher.search(MAIN, &query).await.unwrap_err();
        assert!(matches!(error, SearchError::Embed(EmbedError::Dimensions { .. })), "{error}");

        // As soon as most are new, it is searched by them.
        for name in ["a", "b"] {
            index(&*store, MAIN.entry(name), "v2", &["an alula"], Some(&*renewed)).await;
        }
        let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
        assert_eq!((found.mode, found.unembedded), (SearchMode::Hybrid, 0));
        assert!(found.hits.iter().all(|hit| hit.similarity.is_some()));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_about_blank_texts() {
    on_each(async |store| {
        index(&*store, MAIN.entry("a"), "v", &["an alula"], Some(&*hashing())).await;
        let searcher = Searcher::new(store.clone()).with_embedder(hashing());
        for mode in [Mode::Auto, Mode::Hybrid, Mode::Vector] {
            let query = Query { mode, ..Query::new(" \n ") };
            assert_eq!(searcher.search(MAIN, &query).await.unwrap().hits, [], "{mode:?}");
            let texts = vec![String::new(), "alula".to_owned()];
            let query = Query { texts, mode, ..Query::new("") };
            let found = searcher.search(MAIN, &query).await.unwrap();
            assert_eq!(found.hits.len(), 1, "{mode:?}");
            assert!(found.hits[0].similarity.unwrap() > 0.5, "{mode:?}");
        }
    })
    .await;
}

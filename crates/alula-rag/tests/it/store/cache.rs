use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use alula_llm::model::{Purpose, Vectors};
use alula_rag::{Cached, EmbedError, Embedder, Hashing, SqlStore, Store, StoreSettings};
use async_trait::async_trait;

use super::on_each;

/// Counts what it is asked.
#[derive(Debug)]
struct Counting(Hashing, AtomicUsize);

#[async_trait]
impl Embedder for Counting {
    fn model(&self) -> &str {
        self.0.model()
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        self.1.fetch_add(texts.len(), SeqCst);
        self.0.embed(texts, purpose).await
    }
}

#[tokio::test]
async fn a_text_is_embedded_once() {
    on_each(async |store| {
        let counting = Arc::new(Counting(Hashing::new(16), AtomicUsize::new(0)));
        let cached = Cached::new(counting.clone(), store.clone());
        let plain = Hashing::new(16);
        let texts = ["one", "two", "one", "three"];
        for (texts, asked) in [(&texts[..], 3), (&texts, 3), (&["four", "two"], 4), (&[], 4)] {
            let vectors = cached.embed(texts, Purpose::Document).await.unwrap();
            assert_eq!(vectors, plain.embed(texts, Purpose::Document).await.unwrap());
            assert_eq!(counting.1.load(SeqCst), asked);
        }
        cached.embed(&["one"], Purpose::Query).await.unwrap();
        assert_eq!(counting.1.load(SeqCst), 5, "a query is not a document");
    })
    .await;
}

#[tokio::test]
async fn the_oldest_vectors_are_forgotten() {
    let mut settings = StoreSettings::default();
    settings.cached_vectors_max = 10;
    let store = SqlStore::in_memory(&settings).await.unwrap();
    let mut vectors = Vectors::new();
    vectors.push(&[1.0, 2.0]).unwrap();
    let hashes: Vec<String> = (0..30).map(|n| format!("{n}")).collect();
    for hash in &hashes {
        store.cache_vectors("m", std::slice::from_ref(hash), &vectors).await.unwrap();
    }
    let known = store.cached_vectors("m", &hashes).await.unwrap();
    let known: Vec<bool> = known.iter().map(Option::is_some).collect();
    assert_eq!(known, [vec![false; 20], vec![true; 10]].concat());
    assert_eq!(store.cached_vectors("n", &hashes[25..26]).await.unwrap(), [None]);
}

/// A model whose vectors have grown.
#[derive(Debug)]
struct Grown(Hashing);

#[async_trait]
impl Embedder for Grown {
    fn model(&self) -> &str {
        "hashing@16"
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors, EmbedError> {
        self.0.embed(texts, purpose).await
    }
}

#[tokio::test]
async fn vectors_of_another_length_are_made_again() {
    on_each(async |store| {
        let old = Cached::new(Arc::new(Grown(Hashing::new(16))), store.clone());
        old.embed(&["one", "two"], Purpose::Document).await.unwrap();
        let new = Cached::new(Arc::new(Grown(Hashing::new(32))), store.clone());
        let plain = Hashing::new(32);
        for texts in [&["one", "three"][..], &["one", "three"], &["two", "one", "four"]] {
            let vectors = new.embed(texts, Purpose::Document).await.unwrap();
            assert_eq!(vectors, plain.embed(texts, Purpose::Document).await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn large_batches_take_no_longer_for_each_text() {
    let store = Arc::new(SqlStore::in_memory(&StoreSettings::default()).await.unwrap());
    let cached = Cached::new(Arc::new(Hashing::new(8)), store);
    let texts: Vec<String> = (0..5_000).map(|n| format!("text {}", n % 2_500)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = cached.embed(&texts, Purpose::Document).await.unwrap();
    assert_eq!(vectors.get(0), vectors.get(2_500));
    assert_eq!(vectors, cached.embed(&texts, Purpose::Document).await.unwrap());
}

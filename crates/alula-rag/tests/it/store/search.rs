use std::{sync::Arc, time::Duration};

use alula_llm::{
    Error, ErrorKind,
    model::{Purpose, Vectors},
};
use alula_rag::{
    Attributes, EmbedError, Embedder, SqlStore, Store, StoreSettings,
    search::{Mode, Query, SearchError, SearchMode, Searcher, WINDOW, Weights},
};
use async_trait::async_trait;

use super::{MAIN, chunk, documents, hashing, index, on_each, put_entry, search};

#[tokio::test]
async fn words_are_found_however_they_are_written() {
    on_each(async |store| {
        for (name, texts) in [
            ("birds", &["The Álula is a small feather.", "Wings carry birds."][..]),
            ("cafés", &["Les cafés d’été", "the the the"]),
            ("cjk", &["鳥類学の本", "한국어 문서"]),
        ] {
            index(&*store, MAIN.entry(name), "v", texts, None).await;
        }
        for (text, expected) in [
            ("alula", &["birds"][..]),
            ("What is an ALULA?", &["birds"]),
            ("cafe ete", &["cafés"]),
            ("the", &["cafés", "birds"]),
            ("鳥類", &["cjk"]),
            ("鳥", &["cjk"]),
            ("類鳥", &[]),
            ("문서", &["cjk"]),
            ("carburettor", &[]),
            ("…", &[]),
            ("", &[]),
        ] {
            assert_eq!(documents(&store, MAIN, text).await, expected, "{text}");
        }
        let found = search(&store, MAIN, &Query::new("small alula")).await;
        let hit = &found.hits[0];
        let text: Vec<char> = hit.chunk.text.chars().collect();
        let marked: Vec<String> =
            hit.highlights.iter().map(|it| text[it.start..it.end].iter().collect()).collect();
        assert_eq!(marked, ["Álula", "small"]);
        assert_eq!((hit.filename.as_str(), hit.chunk.page), ("birds.md", Some(1)));
    })
    .await;
}

#[tokio::test]
async fn no_text_is_syntax() {
    on_each(async |store| {
        index(&*store, MAIN.entry("a"), "v", &["alula AND NEAR OR NOT"], None).await;
        for text in [
            "\"alula",
            "alula*",
            "NEAR(alula)",
            "alula AND",
            "words:alula",
            "^alula",
            "a' OR 1=1 --",
            "alula & | ! <->",
            "'alula':*",
            "{alula}",
            "alula -x",
            "(",
            "\\",
            "1_alula",
            "%",
            "\0",
        ] {
            let found = search(&store, MAIN, &Query::new(text)).await;
            assert_eq!(found.hits.len(), usize::from(text.contains("alula")), "{text}");
        }
        assert_eq!(documents(&store, MAIN, "near not").await, ["a"]);
    })
    .await;
}

#[tokio::test]
async fn rare_words_count_for_more_and_headings_too() {
    on_each(async |store| {
        let common: Vec<String> = (0..100).map(|n| format!("feather wing text {n}")).collect();
        let common: Vec<&str> = common.iter().map(String::as_str).collect();
        index(&*store, MAIN.entry("common"), "v", &common, None).await;
        let rare = "feather alula and much more to read than in any of the others there";
        index(&*store, MAIN.entry("rare"), "v", &[rare], None).await;
        assert_eq!(documents(&store, MAIN, "feather wing alula").await[0], "rare");

        let at = MAIN.entry("headed");
        put_entry(&*store, at, &Attributes::default()).await;
        let mut headed = chunk(0, "It cannot be told from this.");
        headed.headings = vec!["Handbook".to_owned(), "Ornithology".to_owned()];
        store.put_chunks(at, "v", &[headed]).await.unwrap();
        store.publish(at, "v", 1, None).await.unwrap();
        assert_eq!(documents(&store, MAIN, "ornithology").await, ["headed"]);
        let hit = search(&store, MAIN, &Query::new("ornithology")).await.hits.remove(0);
        assert_eq!((hit.coverage, hit.highlights.len()), (Some(1.0), 0));
    })
    .await;
}

#[tokio::test]
async fn pages_are_of_one_list() {
    on_each(async |store| {
        let texts: Vec<String> =
            (0..150).map(|n| format!("alula {}", "x ".repeat(n % 7))).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let hashing = hashing();
        index(&*store, MAIN.entry("a"), "v", &texts, Some(&*hashing)).await;
        let searcher = Searcher::new(store.clone()).with_embedder(hashing);
        for mode in [Mode::Keyword, Mode::Vector, Mode::Hybrid] {
            let all = Query { limit: WINDOW, mode, ..Query::new("alula") };
            let all = searcher.search(MAIN, &all).await.unwrap();
            assert_eq!((all.hits.len(), all.has_more), (150, false), "{mode:?}");
            assert!(all.hits.is_sorted_by(|a, b| a.score >= b.score));
            let mut paged = Vec::new();
            for page in 0.. {
                let query = Query { limit: 40, offset: page * 40, mode, ..Query::new("alula") };
                let found = searcher.search(MAIN, &query).await.unwrap();
                paged.extend(found.hits);
                if !found.has_more {
                    break;
                }
            }
            assert_eq!(paged, all.hits, "{mode:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn queries_have_limits() {
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::in_memory(&StoreSettings::default()).await.unwrap());
    let searcher = Searcher::new(store);
    let plain = || Query::new("alula");
    let none = Weights { keyword: 0.0, vector: 0.0 };
    for query in [
        Query { texts: Vec::new(), ..plain() },
        Query { texts: vec![String::new(); 9], ..plain() },
        Query::new("x".repeat(20_000)),
        Query { limit: 0, ..plain() },
        Query { offset: WINDOW, ..plain() },
        Query { offset: u32::MAX, ..plain() },
        Query { weights: none, ..plain() },
        Query { weights: Weights { keyword: f32::NAN, vector: 1.0 }, ..plain() },
    ] {
        let error = searcher.search(MAIN, &query).await.unwrap_err();
        assert!(matches!(error, SearchError::Invalid(_)) && !error.is_temporary(), "{query:?}");
    }
}

/// A model that is away.
#[derive(Debug)]
struct Away;

#[async_trait]
impl Embedder for Away {
    fn model(&self) -> &str {
        "hashing@64"
    }

    async fn embed(&self, _: &[&str], _: Purpose) -> Result<Vectors, EmbedError> {
        Err(Error::new(ErrorKind::Connect, "no route to it").into())
    }
}

#[tokio::test]
async fn a_model_that_is_away_leaves_the_words() {
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::in_memory(&StoreSettings::default()).await.unwrap());
    index(&*store, MAIN.entry("a"), "v", &["an alula"], Some(&*hashing())).await;
    let searcher = Searcher::new(store).with_embedder(Arc::new(Away));
    let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
    assert_eq!((found.mode, found.hits.len()), (SearchMode::Keyword, 1));
    assert!(found.fallback.unwrap().is_temporary());
    let query = Query { mode: Mode::Hybrid, ..Query::new("alula") };
    let error = searcher.search(MAIN, &query).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
}

#[tokio::test]
async fn lists_weights_and_thresholds() {
    on_each(async |store| {
        let hashing = hashing();
        for (name, text) in [("a", "alula feather"), ("b", "beak"), ("c", "claw and more")] {
            index(&*store, MAIN.entry(name), "v", &[text], Some(&*hashing)).await;
        }
        let searcher = Searcher::new(store.clone()).with_embedder(hashing);
        let texts = vec!["alula".to_owned(), "beak".to_owned()];
        let query = Query { texts, mode: Mode::Keyword, ..Query::new("") };
        let found = searcher.search(MAIN, &query).await.unwrap();
        let names: Vec<_> = found.hits.iter().map(|it| it.document.as_str()).collect();
        assert_eq!(names, ["a", "b"]);

        let weights = Weights { keyword: 1.0, vector: 0.0 };
        let query = Query { weights, ..Query::new("alula") };
        let found = searcher.search(MAIN, &query).await.unwrap();
        assert_eq!((found.mode, found.hits.len()), (SearchMode::Hybrid, 1));
        let found = searcher.search(MAIN, &Query::new("alula")).await.unwrap();
        let [first, second, ..] = &found.hits[..] else { panic!("{found:?}") };
        assert!(first.score > second.score && first.score <= 1.0, "{found:?}");
        let query = Query { score_min: first.score, ..Query::new("alula") };
        let found = searcher.search(MAIN, &query).await.unwrap();
        assert_eq!(found.hits.len(), 1);
        assert!(found.hits[0].similarity.unwrap() > 0.3, "{:?}", found.hits[0]);
    })
    .await;
}

#[tokio::test]
async fn a_search_that_takes_too_long_ends() {
    let mut settings = StoreSettings::default();
    settings.statement_max = Duration::from_nanos(1);
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(folder.path().join("rag.db"), &settings).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    // So few that it is not looked at the time.
    index(&*store, MAIN.entry("a"), "v", &["an alula"], None).await;
    assert_eq!(documents(&store, MAIN, "alula").await, ["a"]);
    index(&*store, MAIN.entry("b"), "v", &["an alula"; 5_000], None).await;
    let searcher = Searcher::new(store.clone());
    let error = searcher.search(MAIN, &Query::new("alula")).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    store.close().await;
}

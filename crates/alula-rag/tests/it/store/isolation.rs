use std::sync::Arc;

use alula_rag::{
    Attributes, Embedder as _, Scope, SqlStore, Store, StoreSettings,
    search::{Comparison, Filter, Mode, Query, Searcher, Selection},
};
use fastrand::Rng;

use super::{chunks, hashing, put_entry};

const WORDS: [&str; 12] = [
    "alula", "wing", "feather", "bird", "flight", "slow", "stall", "tip", "lift", "drag", "tail",
    "beak",
];
const DOCUMENTS: usize = 12;
/// How many texts are searched, unless `ALULA_TEST_SEARCHES` says it. 100,000
/// take 200 s of processor time in a debug build.
const SEARCHES: usize = 10_000;
/// Texts that one query has at most.
const TEXTS: usize = 8;

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn searches_max() -> usize {
    let wanted = std::env::var_os("ALULA_TEST_SEARCHES");
    wanted.map_or(SEARCHES, |wanted| wanted.to_str().unwrap().parse().unwrap())
}

fn text(random: &mut Rng) -> String {
    let words: Vec<_> = (0..random.usize(1..6)).map(|_| WORDS[random.usize(..12)]).collect();
    words.join(" ")
}

/// Documents of one tenant, which say almost what those of the others do.
async fn fill(store: &dyn Store, scope: Scope<'_>, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let hashing = hashing();
    for n in 0..DOCUMENTS {
        // The same ids in each collection.
        let document = format!("doc-{n}");
        let at = scope.entry(&document);
        let attributes = Attributes::default()
            .with("n", f64::from(u32::try_from(n).unwrap()))
            .with("owner", format!("{}/{}", scope.tenant, scope.collection));
        put_entry(store, at, &attributes).await;
        let mut texts: Vec<String> = (0..6).map(|_| text(&mut random)).collect();
        texts.push("alula wing feather".to_owned());
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        store.put_chunks(at, "v", &chunks(&texts)).await.unwrap();
        let vectors = hashing.embed(&texts, alula_llm::model::Purpose::Document).await.unwrap();
        store.put_vectors(at, "v", hashing.model(), 0, &vectors).await.unwrap();
        store.publish(at, "v", 7, Some(hashing.model())).await.unwrap();
        store.set_archived(at, n % 4 == 0).await.unwrap();
    }
}

fn selection(random: &mut Rng) -> Selection {
    let filter = random.bool().then(|| {
        let value = f64::from(random.u8(..12)).into();
        let compare = Filter::Compare { key: "n".to_owned(), comparison: Comparison::Lte, value };
        if random.bool() { Filter::Not(Box::new(compare)) } else { compare }
    });
    let documents = random.bool().then(|| vec!["doc-1".to_owned(), "doc-2".to_owned()]);
    Selection { filter, include_archived: random.bool(), documents }
}

/// Searches of all kinds by all tenants: not one hit is of another scope.
#[tokio::test]
async fn nobody_finds_what_others_have() {
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::in_memory(&StoreSettings::default()).await.unwrap());
    let scopes = [("a", "main"), ("b", "main"), ("a", "other"), ("ab", ""), ("", "main")]
        .map(|(tenant, collection)| Scope::new(tenant, collection));
    for (seed, scope) in (0..).zip(scopes) {
        fill(&*store, scope, seed / 2).await;
    }
    let searcher = Searcher::new(store.clone()).with_embedder(hashing());
    let mut random = Rng::with_seed(42);
    let (searches_max, mut searches, mut hits) = (searches_max(), 0, 0);
    while searches < searches_max {
        let scope = scopes[random.usize(..scopes.len())];
        let mode = [Mode::Keyword, Mode::Vector, Mode::Hybrid][random.usize(..3)];
        let texts: Vec<String> = (0..TEXTS).map(|_| text(&mut random)).collect();
        let query = Query {
            texts,
            mode,
            limit: random.u32(1..20),
            offset: random.u32(..30),
            selection: selection(&mut random),
            ..Query::new("")
        };
        let found = searcher.search(scope, &query).await.unwrap();
        let owner = format!("{}/{}", scope.tenant, scope.collection);
        for hit in &found.hits {
            assert_eq!(hit.attributes.get("owner"), Some(&owner.as_str().into()), "{query:?}");
        }
        searches += TEXTS;
        hits += found.hits.len();
    }
    assert!(hits > searches_max / TEXTS, "{hits} hits are too few to tell");
    let nobody = Scope::new("nobody", "main");
    let found = searcher.search(nobody, &Query::new("alula")).await.unwrap();
    assert!(found.hits.is_empty());
}

use alula_rag::{Attribute, Attributes, ChunkId, NewEntry, StoreError, store::ATTRIBUTES_MAX};
use serde_json::json;

use super::{MAIN, chunk, chunks, documents, index, on_each, put_entry};

#[tokio::test]
async fn a_version_is_found_whole_or_not_at_all() {
    on_each(async |store| {
        let at = MAIN.entry("a");
        put_entry(&*store, at, &Attributes::default()).await;
        let texts: Vec<String> = (0..300).map(|n| format!("alula number {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let all = chunks(&texts);
        store.put_chunks(at, "v1", &all[..200]).await.unwrap();
        assert_eq!(documents(&store, MAIN, "alula").await, [""; 0]);
        let error = store.publish(at, "v1", 300, None).await.unwrap_err();
        let expected = StoreError::Incomplete { what: "chunks", found: 200, expected: 300 };
        assert_eq!(error.to_string(), expected.to_string());
        // Part of it again, and the rest.
        store.put_chunks(at, "v1", &all[100..]).await.unwrap();
        let built = store.built(at, "v1", None).await.unwrap();
        assert_eq!((built.chunks, built.vectors), (300, 0));
        let pending = store.chunks(at, Some("v1"), 298, 10).await.unwrap();
        assert_eq!(pending.len(), 2);
        assert_eq!(pending[1].chunk, all[299]);
        store.publish(at, "v1", 300, None).await.unwrap();
        assert_eq!(documents(&store, MAIN, "number 299").await[0], "a");
        let counts = store.counts(MAIN).await.unwrap();
        assert_eq!((counts.entries, counts.live, counts.chunks), (1, 1, 300));
    })
    .await;
}

#[tokio::test]
async fn indexing_the_same_again_changes_nothing_and_a_new_version_replaces_the_old() {
    on_each(async |store| {
        let at = MAIN.entry("a");
        let texts = ["an alula", "a wing"];
        index(&*store, at, "v1", &texts, None).await;
        let before = store.chunks(at, None, 0, 10).await.unwrap();
        assert_eq!(before[1].id, ChunkId::of(at, "v1", 1));
        index(&*store, at, "v1", &texts, None).await;
        assert_eq!(store.chunks(at, None, 0, 10).await.unwrap(), before);

        // Another run of the same version that says something else is not listened to.
        store.put_chunks(at, "v1", &chunks(&["changed", "changed"])).await.unwrap();
        assert_eq!(documents(&store, MAIN, "changed").await, [""; 0]);

        index(&*store, at, "v2", &["a beak"], None).await;
        assert_eq!(documents(&store, MAIN, "alula").await, [""; 0]);
        assert_eq!(documents(&store, MAIN, "beak").await, ["a"]);
        assert_eq!(store.chunk(MAIN, &before[0].id).await.unwrap(), None);
        assert_eq!(store.sweep(10).await.unwrap(), 0, "nothing is left behind");
        assert_eq!(store.built(at, "v1", None).await.unwrap().chunks, 0);

        // Back to the first.
        index(&*store, at, "v1", &texts, None).await;
        let again = store.chunks(at, None, 0, 10).await.unwrap();
        assert_eq!(again[0].id, before[0].id);
        let entry = store.entry(at).await.unwrap().unwrap();
        assert_eq!((entry.version.as_deref(), entry.chunks), (Some("v1"), 2));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_with_a_reason() {
    on_each(async |store| {
        let at = MAIN.entry("a");
        let none = store.put_chunks(at, "v1", &[chunk(0, "x")]).await.unwrap_err();
        assert!(matches!(none, StoreError::NoEntry(ref id) if id == "a"), "{none}");
        assert!(!none.is_temporary());
        let none = store.publish(at, "v1", 1, None).await.unwrap_err();
        assert!(matches!(none, StoreError::NoEntry(_)), "{none}");
        put_entry(&*store, at, &Attributes::default()).await;
        let empty = store.publish(at, "v1", 0, None).await.unwrap_err();
        assert!(matches!(empty, StoreError::Invalid(_)), "{empty}");
        let long = "x".repeat(70_000);
        let error = store.put_chunks(at, "v1", &[chunk(3, &long)]).await.unwrap_err();
        assert_eq!(error.to_string(), "chunk 3 has 70000 bytes, more than 65536");
        let many: Attributes = (0..=ATTRIBUTES_MAX).map(|n| (n.to_string(), true)).collect();
        assert!(store.set_attributes(at, &many).await.is_err());
        let zero = MAIN.entry("a\0b");
        let new = NewEntry { at: zero, filename: "", attributes: &many, chunking: None };
        let error = store.put_entry(&new).await.unwrap_err();
        assert_eq!(error.to_string(), "the name of a document holds the character 0");
        // The text of a document may be anything: it is not the caller's.
        store.put_chunks(at, "v1", &[chunk(0, "nul\0 '); -- {rows$1}")]).await.unwrap();
        store.publish(at, "v1", 1, None).await.unwrap();
        let kept = store.chunks(at, None, 0, 1).await.unwrap();
        assert_eq!(kept[0].chunk.text, "nul\u{fffd} '); -- {rows$1}");
    })
    .await;
}

#[tokio::test]
async fn entries_are_listed_and_changed() {
    on_each(async |store| {
        let attributes = Attributes::default().with("year", 2026.0).with("draft", true);
        let chunking = json!({"max": 800});
        for name in ["b", "a", "c"] {
            let at = MAIN.entry(name);
            let new = NewEntry {
                at,
                filename: "x.pdf",
                attributes: &attributes,
                chunking: Some(&chunking),
            };
            store.put_entry(&new).await.unwrap();
        }
        let names = async |after: Option<&str>, limit| {
            let entries = store.entries(MAIN, after, limit).await.unwrap();
            entries.into_iter().map(|it| it.document).collect::<Vec<_>>()
        };
        assert_eq!(names(None, 2).await, ["b", "a"]);
        assert_eq!(names(Some("a"), 2).await, ["c"]);
        assert_eq!(names(Some("zz"), 2).await, [""; 0]);

        let at = MAIN.entry("a");
        let entry = store.entry(at).await.unwrap().unwrap();
        assert_eq!((entry.attributes, entry.chunking), (attributes, Some(chunking)));
        assert_eq!((entry.version, entry.archived, entry.embedding), (None, false, None));
        let other = Attributes::default().with("year", Attribute::from("later"));
        assert!(store.set_attributes(at, &other).await.unwrap());
        assert!(store.set_archived(at, true).await.unwrap());
        let entry = store.entry(at).await.unwrap().unwrap();
        assert_eq!((entry.attributes, entry.archived), (other.clone(), true));
        assert_eq!(store.counts(MAIN).await.unwrap().archived, 1);
        let none = MAIN.entry("none");
        assert!(!store.set_attributes(none, &other).await.unwrap());
        assert!(!store.set_archived(none, true).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn neighbours_are_of_the_same_version() {
    on_each(async |store| {
        index(&*store, MAIN.entry("z"), "v1", &["before"; 3], None).await;
        index(&*store, MAIN.entry("a"), "v1", &["zero", "one", "two", "three"], None).await;
        index(&*store, MAIN.entry("b"), "v1", &["behind"; 3], None).await;
        let all = store.chunks(MAIN.entry("a"), None, 0, 10).await.unwrap();
        let around = async |place: usize, before, behind| {
            let near = store.neighbours(MAIN, all[place].key, before, behind).await.unwrap();
            near.into_iter().map(|it| it.chunk.text).collect::<Vec<_>>()
        };
        assert_eq!(around(1, 1, 1).await, ["zero", "one", "two"]);
        assert_eq!(around(0, 9, 0).await, ["zero"]);
        assert_eq!(around(3, 1, 9).await, ["two", "three"]);
        let other = alula_rag::Scope::new("other", "main");
        assert!(store.neighbours(other, all[1].key, 1, 1).await.unwrap().is_empty());
        assert!(store.load(other, &[all[1].key]).await.unwrap().is_empty());
        assert_eq!(store.chunk(other, &all[1].id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn processes_write_to_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rag.db");
    let open = || async {
        alula_rag::SqlStore::open(&path, &alula_rag::StoreSettings::default()).await.unwrap()
    };
    let (one, two) = tokio::join!(open(), open());
    let write = async |store: &alula_rag::SqlStore, name: &str| {
        for n in 0..20 {
            let document = format!("{name}{n}");
            let texts = ["some words of a text"; 40];
            index(store, MAIN.entry(&document), "v1", &texts, None).await;
        }
    };
    tokio::join!(write(&one, "a"), write(&two, "b"));
    use alula_rag::Store as _;
    assert_eq!(one.counts(MAIN).await.unwrap().chunks, 1_600);
}

#[tokio::test]
async fn a_version_comes_with_its_name_and_attributes() {
    on_each(async |store| {
        let at = MAIN.entry("a");
        let attributes = |year: f64| Attributes::default().with("year", year);
        let new = |filename, attributes| NewEntry { at, filename, attributes, chunking: None };
        // It makes no entry: somebody has removed it.
        let first = attributes(2025.0);
        let error = store.publish_as(&new("1.md", &first), "v1", 1, None).await.unwrap_err();
        assert!(matches!(error, StoreError::NoEntry(_)), "{error}");
        assert_eq!(store.entry(at).await.unwrap(), None);
        put_entry(&*store, at, &first).await;
        store.put_chunks(at, "v1", &chunks(&["an alula"])).await.unwrap();
        store.publish_as(&new("1.md", &first), "v1", 1, None).await.unwrap();
        // What cannot be published changes nothing.
        let second = attributes(2026.0);
        store.put_chunks(at, "v2", &chunks(&["a beak"])).await.unwrap();
        let error = store.publish_as(&new("2.md", &second), "v2", 2, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Incomplete { .. }), "{error}");
        let entry = store.entry(at).await.unwrap().unwrap();
        assert_eq!((&*entry.filename, &entry.attributes), ("1.md", &first));
        for _ in 0..2 {
            store.publish_as(&new("2.md", &second), "v2", 1, None).await.unwrap();
            let entry = store.entry(at).await.unwrap().unwrap();
            assert_eq!((&*entry.filename, &entry.attributes), ("2.md", &second));
        }
        assert_eq!(documents(&store, MAIN, "beak").await, ["a"]);
        // Also where the text is the same.
        let third = attributes(2027.0);
        store.publish_as(&new("3.md", &third), "v2", 1, None).await.unwrap();
        let year = store.entry(at).await.unwrap().unwrap().attributes;
        assert_eq!(year.get("year"), Some(&Attribute::Number(2027.0)));
    })
    .await;
}

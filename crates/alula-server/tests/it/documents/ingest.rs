//! `alula ingest`: documents from this machine, without a server.

use std::fs;

use serde_json::{Value, json};

use super::each_kind;
use crate::{
    keys::{Store, id_of},
    process::{Ended, alula, serve},
};

/// `alula ingest` with these arguments, in the folder of the database.
async fn ingest(store: &Store, arguments: &[&str]) -> Ended {
    let start = store.over(alula(&[&["ingest"], arguments].concat()));
    tokio::task::spawn_blocking(|| start.end()).await.unwrap()
}

/// Documents of each kind, what is none, and one that cannot be read.
fn fill(store: &Store) {
    let folder = store.dir().join("docs/more");
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes, ..) in each_kind() {
        fs::write(folder.join(name), bytes).unwrap();
    }
    fs::write(store.dir().join("docs/program.exe"), "MZ").unwrap();
    fs::write(store.dir().join("docs/bad\x1b[31m.pdf"), "no PDF").unwrap();
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_ingested_and_again_is_the_same() {
    let store = Store::file();
    fill(&store);
    let first = ingest(&store, &["docs"]).await;
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(first.stdout.contains("6 documents with 6 chunks are ready"), "{first:?}");
    // What somebody has called a file does not paint the terminal.
    let told = "1 files are not:\n  docs/bad\u{fffd}[31m.pdf: ";
    assert!(first.stderr.contains(told), "{first:?}");
    let again = ingest(&store, &["--json", "docs/more", "docs/**/*.md"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let lines = lines(&again);
    let [files @ .., all] = &lines[..] else { panic!("{again:?}") };
    assert_eq!((files.len(), &all["ready"], &all["failed"]), (6, &json!(6), &json!(0)), "{all}");
    assert!(files.iter().all(|file| file["status"] == "ready"), "{again:?}");
    let alula = store.over(serve()).listen();
    let listed = alula.get("/documents").await.is(200);
    assert_eq!(listed["documents"].as_array().unwrap().len(), 6);
    for (_, _, word, _) in each_kind() {
        assert_eq!(alula.finds(word).await.len(), 1, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_those_of_a_key() {
    let store = Store::file();
    fill(&store);
    let key = store.key(&[]);
    let nobody = ingest(&store, &["docs/more/f.txt"]).await;
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    let done = ingest(&store, &["--key", id_of(&key), "docs/more/f.txt"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let alula = store.over(serve()).listen();
    let listed = alula.with_key(&key, "GET", "/documents", None).await.is(200);
    assert_eq!(listed["documents"][0]["filename"], "f.txt");
    let other = store.key(&[]);
    let listed = alula.with_key(&other, "GET", "/documents", None).await.is(200);
    assert_eq!(listed["documents"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said() {
    let store = Store::file();
    fs::write(store.dir().join("empty.txt"), "").unwrap();
    let done = ingest(&store, &["--json", "none.pdf", "*.docx", "empty.txt"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let lines = lines(&done);
    let codes: Vec<_> = lines.iter().filter_map(|line| line["error"]["code"].as_str()).collect();
    assert_eq!(codes, ["unreadable_path", "unreadable_path", "empty"], "{done:?}");
    assert!(done.stderr.contains("3 files could not be ingested"), "{done:?}");
    assert_eq!(ingest(&store, &[]).await.code, Some(2));
}

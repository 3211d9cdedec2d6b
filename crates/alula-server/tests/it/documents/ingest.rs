//! `alula ingest`: documents from this machine, without a server.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    each_kind,
    jobs::{embed, embedding},
};
use crate::{
    keys::{Store, id_of},
    process::{Ended, alula, serve},
    upstream::Upstream,
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

/// Nor is it looked at whether it is still there.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_wait_is_not_read_again_and_again() {
    let (store, upstream) = (Store::file(), Upstream::start());
    let key = store.key(&[]);
    for name in ["a.txt", "b.txt"] {
        fs::write(store.dir().join(name), format!("The text of {name}.")).unwrap();
    }
    let start = store.over(alula(&["ingest", "--key", id_of(&key), "a.txt", "b.txt"]));
    let start = embedding(start, &upstream).env("ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX", "1");
    let ended = tokio::task::spawn_blocking(|| start.end());
    let first = upstream.call().await;
    sleep(Duration::from_secs(1)).await;
    let (path, aside) = (store.dir().join("b.txt"), store.dir().join("aside.txt"));
    fs::rename(&path, &aside).unwrap();
    sleep(Duration::from_secs(3)).await;
    fs::rename(&aside, &path).unwrap();
    embed(first).await;
    embed(upstream.call().await).await;
    let ended = ended.await.unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("2 documents with 2 chunks are ready"), "{ended:?}");
}

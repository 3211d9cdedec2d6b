//! Documents whose server is killed, wherever it is.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{behind_its_back, count_objects, count_whole_files, files::pdf, form::Form, over};
use crate::{
    client::http,
    database::on_each,
    keyed::until,
    process::{Alula, PATIENCE},
};

/// Wherever it is: while texts are taken out, cut, and published.
#[tokio::test]
async fn a_server_that_is_killed_again_and_again_loses_nothing() {
    on_each(killed_again_and_again).await;
}

async fn killed_again_and_again(database: &str) {
    const DOCUMENTS: usize = 12;
    const KILLS: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let start = || over(database, folder.path()).env("ALULA_JOBS_LEASE_SECONDS", "1").listen();
    let mut alula = start();
    let mut accepted = Vec::new();
    for number in 0..DOCUMENTS {
        let page = format!("The word of document {number} is unique{number}.");
        let bytes = if number % 2 == 0 { pdf(&[&page]) } else { page.into_bytes() };
        let name = format!("{number}.{}", if number % 2 == 0 { "pdf" } else { "txt" });
        accepted.push(alula.upload(&name, bytes).await.is(202));
    }
    for kill in 1..=KILLS {
        let far = async {
            while count_ready(&alula).await < kill * DOCUMENTS / (KILLS + 1) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE * 2, far).await.expect("it goes on");
        alula.signal("KILL");
        alula.ended();
        alula = start();
    }
    for (number, document) in accepted.iter().enumerate() {
        let id = timeout(PATIENCE * 2, alula.ready(document)).await.expect("it is ready");
        assert_eq!(alula.finds(&format!("unique{number}")).await, [&*id]);
        assert_eq!(alula.get(&format!("/documents/{id}")).await.is(200)["chunks"], 1);
    }
    // Each has its bytes and its text, and nothing else is left.
    assert_eq!(count_whole_files(&folder.path().join("files/documents")), DOCUMENTS);
    assert_eq!(count_whole_files(&folder.path().join("files/texts")), DOCUMENTS);
}

#[tokio::test]
async fn an_upload_that_is_killed_leaves_nothing_and_can_be_made_again() {
    on_each(async |database| {
        let folder = tempfile::tempdir().unwrap();
        let start = || over(database, folder.path()).env("ALULA_JOBS_LEASE_SECONDS", "1").listen();
        let mut alula = start();
        let text = format!("A siskin eats. {}", "It goes on eating. ".repeat(10_000));
        let form = || Form::default().file("file", "a.txt", &text);
        for kills in 0..3 {
            let _upload = form().begin(&alula, None, 1_000).await;
            until("it arrives", async || count_objects(folder.path()) > kills).await;
            alula.signal("KILL");
            alula.ended();
            alula = start();
        }
        assert_eq!(alula.get("/documents").await.is(200)["documents"], json!([]));
        let id = alula.ready(&alula.form("/documents/upload", form()).await.is(202)).await;
        assert_eq!(alula.finds("siskin").await[0], id);
        let content = http().get(alula.url(&format!("/documents/{id}/content"))).send().await;
        assert_eq!(content.unwrap().text().await.unwrap(), text);
        // Nothing is heard of the others for a while.
        behind_its_back(database, "UPDATE documents SET due_at = 1 WHERE state = 0").await;
        let forgotten = async {
            while behind_its_back(database, "SELECT id FROM documents WHERE state <> 1").await > 0 {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(PATIENCE * 2, forgotten).await.expect("upkeep forgets them");
        assert_eq!(alula.finds("siskin").await[0], id);
    })
    .await;
}

async fn count_ready(alula: &Alula) -> usize {
    let list = alula.get("/documents?status=ready&limit=100").await.is(200);
    list["documents"].as_array().unwrap().len()
}

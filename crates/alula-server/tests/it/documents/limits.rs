//! How much of a server one key may have.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::sleep};

use super::{behind_its_back, form::Form, jobs::file_of};
use crate::{
    client::{Answer, http},
    keyed::until,
    keys::Store,
    process::{Alula, serve},
};

async fn bring(alula: &Alula, key: &str, text: &str) -> Answer {
    alula.with_key(key, "POST", "/documents", Some(&json!({"text": text}))).await
}

async fn upload(alula: &Alula, key: &str, text: &str) -> Answer {
    let form = Form::default().file("file", "a.txt", text);
    let request = http().post(alula.url("/documents/upload")).bearer_auth(key);
    Answer::of(form.of(request)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_of_a_key_shut_nobody_else_out() {
    let store = Store::file();
    let (slow, other) = (store.key(&[]), store.key(&[]));
    let start = store.over(serve()).env("ALULA_UPLOADS_RUNNING_MAX", "3");
    let alula = start.env("ALULA_UPLOADS_PER_KEY_MAX", "2").listen();
    // Enough not to be too slow for a while, and for a socket to hold it.
    let text = "A snipe probes. ".repeat(3_000);
    let mut uploads = Vec::new();
    for number in 0..6 {
        let form = Form::default().file("file", "slow.txt", format!("{number} {text}"));
        uploads.push(form.begin(&alula, Some(&slow), 1_000).await);
    }
    let all = tokio::select! {
        () = go_on_slowly(&mut uploads) => false,
        () = others_go_on(&alula, &slow, &other) => true,
    };
    assert!(all);
    drop(uploads);
    until("its turns are free again", async || {
        upload(&alula, &slow, "At last.").await.status == 202
    })
    .await;
}

/// Sends a little more of each upload now and then, so that none of them is broken off.
async fn go_on_slowly(uploads: &mut [TcpStream]) {
    for _ in 0..900 {
        for upload in &mut *uploads {
            // Those that have found no turn have their answer.
            let _ = upload.write_all(b"a").await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn others_go_on(alula: &Alula, slow: &str, other: &str) {
    let mut number = 0;
    until("its own uploads find no turn", async || {
        number += 1;
        let answer = upload(alula, slow, &format!("An own one, {number}.")).await;
        if answer.status != 503 {
            answer.is(202);
            return false;
        }
        assert_eq!(answer.json()["code"], "busy");
        assert!(answer.header("retry-after").parse::<u32>().is_ok());
        true
    })
    .await;
    for number in 0..3 {
        upload(alula, other, &format!("Another one, {number}.")).await.is(202);
    }
    // What is there already keeps nobody waiting.
    bring(alula, slow, "A text.").await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_so_many_documents_processed_at_a_time() {
    let store = Store::file();
    let (one, other) = (store.key(&[]), store.key(&[]));
    let start = store.over(serve()).env("ALULA_JOBS_RUNNING_MAX", "0");
    let alula = start.env("ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX", "2").listen();
    let first = bring(&alula, &one, "A teal dabbles.").await.is(202);
    upload(&alula, &one, "A tern dives.").await.is(202);
    for refused in [bring(&alula, &one, "More.").await, upload(&alula, &one, "More.").await] {
        let body = refused.is(429);
        assert_eq!(body["code"], "too_many_processed", "{body}");
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
    }
    let form = Form::default().file("files", "a.txt", "More.");
    let request = http().post(alula.url("/documents/upload-multiple")).bearer_auth(&one);
    let several = Answer::of(form.of(request)).await.is(202);
    assert_eq!(several["files"][0]["http_status"], 429, "{several}");
    // The same bytes are no more than there were.
    let again = bring(&alula, &one, "A teal dabbles.").await.is(202);
    assert_eq!(again["document_id"], first["document_id"]);
    bring(&alula, &other, "More.").await.is(202);
    // They are among the jobs of the key, the last first.
    let jobs = alula.with_key(&one, "GET", "/jobs?limit=1", None).await.is(200);
    assert!(jobs["next"].is_string(), "{jobs}");
    let path = format!("/jobs?after={}", jobs["next"].as_str().unwrap());
    let more = alula.with_key(&one, "GET", &path, None).await.is(200);
    let rest: Vec<&Value> = more["jobs"].as_array().unwrap().iter().collect();
    assert_eq!(rest.len(), 1, "{more}");
    assert_eq!(rest[0]["job_id"], first["job_id"]);
    assert_eq!(
        (&rest[0]["endpoint"], &rest[0]["status"]),
        (&json!("/documents"), &json!("queued"))
    );
    // One that goes makes room.
    let path = format!("/documents/{}", first["document_id"].as_str().unwrap());
    assert_eq!(alula.with_key(&one, "DELETE", &path, None).await.status, 204);
    bring(&alula, &one, "More.").await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_counts_when_it_begins_anew() {
    let store = Store::file();
    let key = store.key(&[]);
    let start = store.over(serve()).env("ALULA_JOBS_RUNNING_MAX", "0");
    let alula = start.env("ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX", "1").listen();
    let first = bring(&alula, &key, "A gadwall dabbles.").await.is(202);
    let document = first["document_id"].as_str().unwrap();
    let failed = "UPDATE document_entries SET state = 2 RETURNING state";
    assert_eq!(behind_its_back(store.url(), failed).await, 1);
    bring(&alula, &key, "A garganey dabbles.").await.is(202);
    let retry = format!("/documents/{document}/retry");
    for refused in [
        bring(&alula, &key, "A gadwall dabbles.").await,
        alula.with_key(&key, "POST", &retry, Some(&json!({}))).await,
    ] {
        assert_eq!(refused.is(429)["code"], "too_many_processed");
    }
    let url = format!("/documents/{document}/status");
    let status = alula.with_key(&key, "GET", &url, None).await.is(200);
    assert_eq!(status["status"], "failed", "{status}");
}

/// Its bytes would bring it back, but there is no room for any.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_not_taken_for_known_where_nothing_is_kept() {
    let store = Store::file();
    let key = store.key(&[]);
    let full = store.over(serve()).env("ALULA_DOCUMENTS_PER_KEY_MAX", "1").listen();
    let text = "A pintail dabbles.";
    let first = upload(&full, &key, text).await.is(202);
    let id = first["document_id"].as_str().unwrap();
    fs::remove_file(file_of(store.dir(), id)).unwrap();
    let refused = upload(&full, &key, text).await.is(403);
    assert_eq!(refused["code"], "quota_exceeded", "{refused}");
    drop(full);
    let alula = store.over(serve()).listen();
    let again = upload(&alula, &key, text).await.is(202);
    assert_eq!(again["document_id"], id);
    assert_eq!(fs::read_to_string(file_of(store.dir(), id)).unwrap(), text);
}

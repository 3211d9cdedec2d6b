//! Documents that are not taken, and those that cannot be read.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{count_objects, files::pdf, form::Form, over};
use crate::{keys::Store, process::serve};

/// How soon it is said, on a machine that does much else.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_cannot_be_is_refused_while_it_arrives_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("alula.db").display());
    let alula = over(&database, folder.path()).env("ALULA_DOCUMENT_BYTES_MAX", "100000").listen();
    let mut zeros = b"text ".to_vec();
    zeros.extend([0; 2_000]);
    let large = vec![b'a'; 100_001];
    for (name, bytes, status) in [
        ("large.txt", &large[..], 413),
        ("empty.txt", b"", 422),
        ("a.pdf", b"<html>no PDF</html>", 415),
        ("a.docx", b"%PDF-1.4 and so on", 415),
        ("photo.jpg", b"\xff\xd8\xff\xe0", 415),
        ("a.txt", b"\xff\xfe\x00", 415),
        ("zeros.txt", &zeros, 415),
        ("noname", b"MZ\x90\x00\x03", 415),
    ] {
        let started = Instant::now();
        let answer = alula.upload(name, bytes).await;
        assert!(started.elapsed() < SOON, "{name} after {:?}", started.elapsed());
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.json()["detail"].is_array(), status == 422, "{answer:?}");
    }
    for (form, loc) in [
        (Form::default(), "file"),
        (Form::default().text("file", "no file"), "file"),
        (Form::default().file("file", "a.txt", "a").text("more", "x"), "more"),
        (Form::default().file("file", "a.txt", "a").text("metadata", "x"), "metadata"),
        (Form::default().file("file", "a.txt", "a").text("callback_url", "x"), "callback_url"),
    ] {
        let body = alula.form("/documents/upload", form).await.is(422);
        assert_eq!(body["detail"][0]["loc"], json!(["body", loc]), "{body}");
    }
    assert_eq!(alula.get("/documents").await.is(200)["documents"], json!([]));
    assert_eq!(count_objects(folder.path()), 0);
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let alula = serve().listen();
    let mut broken = pdf(&["x"]);
    broken.truncate(60);
    let nothing = pdf(&[" "]);
    let bomb = "[".repeat(20_000);
    for (name, bytes, codes) in [
        ("broken.pdf", broken, &["damaged", "crashed"][..]),
        ("scan.pdf", nothing, &["encrypted_or_no_text"]),
        (
            "nested.pdf",
            format!("%PDF-1.4\n1 0 obj\n{bomb}\nendobj\n").into(),
            &["damaged", "crashed"],
        ),
        ("none.docx", b"PK\x03\x04 and nothing".to_vec(), &["damaged", "wrong_kind"]),
    ] {
        let accepted = alula.upload(name, &bytes).await.is(202);
        let status = alula.processed(&accepted).await;
        assert_eq!((&status["status"], &status["terminal"]), (&json!("failed"), &json!(true)));
        let code = status["error"]["code"].as_str().unwrap_or_default();
        assert!(codes.contains(&code), "{name}: {status}");
        assert_eq!(status["step"], "extract", "{status}");
        let job =
            alula.get(&format!("/jobs/{}", accepted["job_id"].as_str().unwrap())).await.is(200);
        assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
        let shown = &job["error"]["detail"];
        assert_eq!(*shown, status["error"]["message"], "{job}");
    }
    let failed = alula.get("/documents?status=failed").await.is(200);
    assert_eq!(failed["documents"].as_array().unwrap().len(), 4);
    alula.get("/health/ready").await.is(200);
}

#[tokio::test]
async fn a_key_has_so_many_documents() {
    let store = Store::file();
    let (one, other) = (store.key(&[]), store.key(&[]));
    let start = store.over(serve()).env("ALULA_DOCUMENTS_PER_KEY_MAX", "2");
    let alula = start.env("ALULA_DOCUMENTS_BYTES_PER_KEY_MAX", "20").listen();
    let bring = async |key: &str, text: &str| {
        alula.with_key(key, "POST", "/documents", Some(&json!({"text": text}))).await
    };
    let first = bring(&one, "0123456789").await.is(202);
    // Neither does it where only some of its bytes have any.
    let known = bring(&one, "0123456789").await.is(202);
    assert_eq!(known["document_id"], first["document_id"]);
    let why = bring(&one, "0123456789a").await.detail(403);
    assert_eq!(why, "This key may have 20 bytes of documents");
    bring(&one, "a").await.is(202);
    let why = bring(&one, "b").await.detail(403);
    assert_eq!(why, "This key may have 2 documents");
    bring(&other, "0123456789").await.is(202);
    // What is known needs no room.
    let known = bring(&one, "0123456789").await.is(202);
    assert_eq!(known["document_id"], first["document_id"]);
}

/// They would be lost at each start, and whatever is sent later refused.
#[tokio::test]
async fn files_that_do_not_last_as_long_as_their_database_are_warned_of() {
    const WARNING: &str = "STORAGE_URL=memory:";
    let store = Store::file();
    let alula = store.over(serve()).env("STORAGE_URL", "memory:").listen();
    alula.logged(WARNING);
    alula.ready(&alula.upload("a.txt", "A scaup dives.").await.is(202)).await;
    drop(alula);
    let alula = store.over(serve()).env("STORAGE_URL", "memory:").listen();
    assert_eq!(alula.upload("b.txt", "A smew dives.").await.status, 503);
    let both = serve().env("STORAGE_URL", "memory:").listen();
    both.ready(&both.upload("a.txt", "A scaup dives.").await.is(202)).await;
    assert_eq!(both.count_logged(WARNING), 0);
}

#[path = "../../uploads.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use alula::testing::TestForm;
use serde_json::{Value, json};

fn document() -> TestForm {
    TestForm::new().text("title", "Wings").text("tags", "birds").text("tags", "flight")
}

#[tokio::test]
async fn a_file_with_its_fields() {
    let client = program::app().client().await;
    let form = document().file("file", "../../wing.txt", "text/plain", "A small feather");
    let stored = client.post("/documents/upload").multipart(form).await;
    assert_eq!(stored.status(), 201);
    let expected = json!({
        "title": "Wings (birds, flight)",
        "name": "wing.txt",
        "bytes": 15,
        "words": 3,
    });
    assert_eq!(stored.json::<Value>(), expected);
}

#[tokio::test]
async fn several_files_at_once() {
    let client = program::app().client().await;
    let form = TestForm::new().file("files", "a.txt", "text/plain", "a").file(
        "files",
        "b.txt",
        "text/plain",
        "b b",
    );
    let stored: Value = client.post("/documents/upload-multiple").multipart(form).await.json();
    assert_eq!((&stored[0]["words"], &stored[1]["words"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn what_is_missing_too_large_or_of_another_type() {
    let client = program::app().client().await;
    let upload = |form| client.post("/documents/upload").multipart(form);
    assert_eq!(upload(document()).await.status(), 422);
    let image = document().file("file", "a.png", "image/png", "x");
    assert_eq!(upload(image).await.status(), 415);
    let large = document().file("file", "a.txt", "text/plain", vec![b'x'; 5 * 1024 * 1024 + 1]);
    assert_eq!(upload(large).await.status(), 413);
}

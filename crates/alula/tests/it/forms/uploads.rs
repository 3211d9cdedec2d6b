//! What an endpoint can do with a file.

use std::io::SeekFrom;

use alula::{FormLimits, prelude::*, testing::TestForm};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

#[derive(Deserialize, JsonSchema, Validate)]
struct One {
    file: UploadFile,
}

/// Larger than what is read from a disk at a time, and of no round size.
fn content() -> Vec<u8> {
    (0..600_001_u32).flat_map(u32::to_le_bytes).take(600_001).collect()
}

fn form(content: impl Into<Bytes>) -> TestForm {
    TestForm::new().file("file", "a.bin", "application/octet-stream", content)
}

/// Sends the content to an endpoint, once to be kept in memory and once on disk.
async fn in_both_places(route: impl Fn() -> alula::Route, content: Vec<u8>) -> [Value; 2] {
    let mut answers = [Value::Null, Value::Null];
    for (answer, memory) in answers.iter_mut().zip([1 << 20, 1000]) {
        let limits = FormLimits::default().file_memory_bytes(memory);
        let client = App::new("U", "1").route(route()).form_limits(limits).client().await;
        let response = client.post("/").multipart(form(content.clone())).await;
        assert_eq!(response.status(), 200, "{}", response.text());
        *answer = response.json();
    }
    answers
}

async fn whole(Multipart(One { file }): Multipart<One>) -> Result<Json<Value>> {
    let same = file.bytes().await? == content() && file.bytes().await? == content();
    Ok(Json(json!([file.is_in_memory(), file.size(), same])))
}

#[tokio::test]
async fn a_file_is_read_as_a_whole() {
    let answers = in_both_places(|| post("/", whole), content()).await;
    assert_eq!(answers, [json!([true, 600_001, true]), json!([false, 600_001, true])]);
}

async fn pieces(Multipart(One { file }): Multipart<One>) -> Result<Json<Value>> {
    let stream = file.stream();
    drop(file);
    let pieces: Vec<Bytes> = stream.try_collect().await?;
    let largest = pieces.iter().map(Bytes::len).max();
    Ok(Json(json!([largest, pieces.concat() == content()])))
}

#[tokio::test]
async fn a_file_is_a_stream_that_outlives_it() {
    for answer in in_both_places(|| post("/", pieces), content()).await {
        assert_eq!(answer, json!([256 * 1024, true]));
    }
}

async fn reader(Multipart(One { mut file }): Multipart<One>) -> Result<Json<Value>> {
    let mut first = [0; 7];
    file.read_exact(&mut first).await?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await?;
    let joined = [&first[..], &rest].concat() == content();
    let at_end = file.read(&mut first).await?;

    let back = file.seek(SeekFrom::Current(-3)).await?;
    let last = file.read_to_end(&mut Vec::new()).await?;
    file.rewind().await?;
    let mut again = Vec::new();
    file.read_to_end(&mut again).await?;
    let behind = file.seek(SeekFrom::End(5)).await?;
    let nothing = file.read(&mut first).await?;
    let refused = file.seek(SeekFrom::Start(0)).await.is_ok()
        && file.seek(SeekFrom::Current(-1)).await.is_err();
    Ok(Json(json!([joined, at_end, back, last, again == content(), behind, nothing, refused])))
}

#[tokio::test]
async fn a_file_is_read_and_sought_as_tokio_does() {
    for answer in in_both_places(|| post("/", reader), content()).await {
        assert_eq!(answer, json!([true, 0, 599_998, 3, true, 600_006, 0, true]));
    }
}

async fn text(Multipart(One { file }): Multipart<One>) -> Result<Json<String>> {
    Ok(Json(file.text().await?))
}

#[tokio::test]
async fn a_file_that_is_no_text_is_the_clients_mistake() {
    let client = App::new("U", "1").route(post("/", text)).client().await;
    assert_eq!(client.post("/").multipart(form("wörd")).await.json::<String>(), "wörd");
    let response = client.post("/").multipart(form(vec![b'a', 0xff])).await;
    assert_eq!(response.status(), 400);
    assert!(response.text().contains("`a.bin` is not UTF-8"), "{}", response.text());
}

#[tokio::test]
async fn a_file_is_saved() {
    let directory = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let route = || {
        let directory = directory.clone();
        post("/", move |Multipart(One { file }): Multipart<One>| {
            let directory = directory.clone();
            async move {
                let path = directory.path().join(&*file.safe_file_name());
                file.save(&path).await?;
                Ok(Json(std::fs::read(path)? == content())) as Result<_>
            }
        })
    };
    assert_eq!(in_both_places(route, content()).await, [json!(true), json!(true)]);
    let response = App::new("U", "1").route(post("/", nowhere)).client().await;
    let response = response.post("/").multipart(form("x")).await;
    assert_eq!((response.status().as_u16(), response.text().contains("nowhere")), (500, false));
}

async fn nowhere(Multipart(One { file }): Multipart<One>) -> Result<()> {
    file.save("/nowhere/at/all").await
}

async fn names(Multipart(One { file }): Multipart<One>) -> Json<Value> {
    let custom = file.headers().get("x-custom").and_then(|value| value.to_str().ok());
    let names = [file.file_name(), Some(&*file.safe_file_name()), file.content_type(), custom];
    Json(json!(names))
}

#[tokio::test]
async fn names_and_headers_are_the_clients_words() {
    let client = App::new("U", "1").route(post("/", names)).client().await;
    let sent = TestForm::new().file("file", "../a\"b\r\n/evil\u{202e}.txt", "text/x", "1");
    let names: Value = client.post("/").multipart(sent).await.json();
    assert_eq!(names, json!(["../a\"b\r\n/evil\u{202e}.txt", "evil_.txt", "text/x", null]));
    let body = "--B\r\nX-Custom: yes\r\nContent-Disposition: form-data; name=\"file\"; \
                filename*=UTF-8''%e2%82%ac.txt\r\n\r\n1\r\n--B--";
    let response = client.post("/").body("multipart/form-data; boundary=B", body).await;
    assert_eq!(response.json::<Value>(), json!(["€.txt", "€.txt", null, "yes"]));
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Flat {
    note: String,
    #[serde(flatten)]
    one: One,
}

/// serde buffers the fields of a flattened struct.
async fn flattened(Multipart(flat): Multipart<Flat>) -> Result<Json<String>> {
    Ok(Json(flat.note + &flat.one.file.text().await?))
}

#[tokio::test]
async fn a_file_in_a_flattened_struct_is_found_and_cannot_be_forged() {
    let client = App::new("U", "1").route(post("/", flattened)).client().await;
    let response = client.post("/").multipart(form("def").text("note", "abc")).await;
    assert_eq!(response.json::<String>(), "abcdef");
    for text in ["0", r#"{"$alula::file":1}"#] {
        let forged = form("def").text("note", "abc").text("file", text);
        let response = client.post("/").multipart(forged).await;
        assert_eq!(response.status(), 422, "{}", response.text());
        assert!(response.text().contains("Expected UploadFile"), "{}", response.text());
    }
}

#[tokio::test]
async fn a_panic_drops_the_files_and_the_app_goes_on() {
    async fn panics(Multipart(One { file }): Multipart<One>) -> Json<u64> {
        assert_ne!(file.size(), 3, "three");
        Json(file.size())
    }
    let client = App::new("U", "1").route(post("/", panics)).client().await;
    assert_eq!(client.post("/").multipart(form("123")).await.status(), 500);
    assert_eq!(client.post("/").multipart(form("1234")).await.json::<u64>(), 4);
}

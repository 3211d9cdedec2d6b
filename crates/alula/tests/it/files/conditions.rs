//! When a file heeds conditions and ranges.

use alula::{Status, post, prelude::*, put};

#[tokio::test]
async fn a_file_that_is_no_answer_to_a_reader_is_sent_whole() {
    async fn file() -> File {
        File::bytes("text/plain", "0123456789").etag("v1").last_modified(std::time::UNIX_EPOCH)
    }
    async fn lost() -> Status<404, File> {
        Status(file().await)
    }
    async fn failing() -> Result<Json<u8>> {
        Err(HttpError::new(410, "gone"))
    }
    async fn made() -> Status<201, File> {
        Status(file().await)
    }
    let app = App::new("Answers", "1.0.0")
        .route(post("/file", file))
        .route(put("/file", file))
        .route(get("/lost", lost))
        .route(get("/handled", failing))
        .route(get("/made", made))
        .on_status(410, |_: &HttpError, _| {
            File::bytes("text/plain", "0123456789").etag("v1").last_modified(std::time::UNIX_EPOCH)
        });
    let client = app.client().await;
    let conditions = [
        ("if-none-match", "\"v1\""),
        ("if-none-match", "*"),
        ("if-match", "\"v2\""),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("if-unmodified-since", "Wed, 31 Dec 1969 23:59:59 GMT"),
        ("range", "bytes=2-4"),
        ("range", "bytes=20-"),
        ("range", "bytes=4-2"),
    ];
    for (name, value) in conditions {
        for (method, path, status) in [
            (http::Method::POST, "/file", 200),
            (http::Method::PUT, "/file", 200),
            (http::Method::GET, "/lost", 404),
            (http::Method::GET, "/handled", 410),
        ] {
            let what = format!("{method} {path}, {name}: {value}");
            let response = client.request(method, path).header(name, value).await;
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (status, "0123456789"),
                "{what}"
            );
        }
    }
    // A condition is for every success, a range only for 200.
    let known = client.get("/made").header("if-none-match", "\"v1\"").await;
    assert_eq!(known.status(), 304);
    let whole = client.get("/made").header("range", "bytes=2-4").await;
    assert_eq!((whole.status().as_u16(), whole.text()), (201, "0123456789"));
}

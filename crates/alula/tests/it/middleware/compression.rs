//! Smaller answers.

use std::io::Read as _;

use alula::{App, File, Json, ResponseHead, Router, Text, get, middleware::Compression};
use flate2::read::GzDecoder;

fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn text() -> String {
    (0..100_000).map(|number| format!("{number} ")).collect()
}

fn app() -> App {
    let json = get("/json", async || Json(text()));
    let file = get("/file", async || File::bytes("text/plain", text()).etag("v1"));
    let image = get("/image", async || File::bytes("image/png", text()));
    let routes = Router::new().route(json).route(file).route(image);
    App::new("Small", "1.0.0").include(routes).layer(Compression::new())
}

#[tokio::test]
async fn what_arrives_is_what_was_sent() {
    let client = app().client().await;
    let response = client.get("/json").header("accept-encoding", "gzip").await;
    assert_eq!(response.header("content-encoding"), "gzip");
    assert!(!response.headers().contains_key("content-length"));
    assert!(response.bytes().len() < 300_000);
    let quoted = unzip(response.bytes());
    assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text());
    assert_eq!(client.get("/json").await.json::<String>(), text());
}

#[tokio::test]
async fn a_tag_becomes_weak_and_still_works() {
    let client = app().client().await;
    let response = client.get("/file").header("accept-encoding", "gzip").await;
    assert_eq!(response.header("etag"), "W/\"v1\"");
    assert_eq!(unzip(response.bytes()), text());
    let known = client.get("/file").header("if-none-match", "W/\"v1\"");
    assert_eq!(known.header("accept-encoding", "gzip").await.status(), 304);
    assert_eq!(client.get("/file").await.header("etag"), "\"v1\"");
}

#[tokio::test]
async fn who_has_the_compressed_form_is_told_that_it_is_fresh() {
    let client = app().client().await;
    let known = async |tag| {
        let request = client.get("/file").header("if-none-match", tag);
        let response = request.header("accept-encoding", "gzip").await;
        assert_eq!(response.status(), 304);
        (response.header("etag").to_owned(), response.header("vary").to_owned())
    };
    let weak = ("W/\"v1\"".to_owned(), "Accept-Encoding".to_owned());
    assert_eq!(known("W/\"v0\", W/\"v1\"").await, weak);
    assert_eq!(known("\"v1\"").await.0, "\"v1\"", "it has the other");
}

#[tokio::test]
async fn nothing_and_what_has_a_digest_are_left_alone() {
    let sealed = async |head: ResponseHead| {
        head.header("content-digest", "sha-256=:AA==:");
        Text(text())
    };
    let routes = Router::new()
        .route(get("/sealed", sealed))
        .route(get("/empty", async || Text("")))
        .layer(Compression::new().min_size(0));
    let client = App::new("Small", "1.0.0").include(routes).client().await;
    for path in ["/sealed", "/empty"] {
        let response = client.get(path).header("accept-encoding", "gzip").await;
        assert_eq!((response.status().as_u16(), response.header("content-encoding")), (200, ""));
    }
}

#[tokio::test]
async fn parts_and_images_are_left_alone() {
    let client = app().client().await;
    let part = client.get("/file").header("accept-encoding", "gzip").header("range", "bytes=0-999");
    let part = part.await;
    assert_eq!((part.status().as_u16(), part.header("content-encoding")), (206, ""));
    let image = client.get("/image").header("accept-encoding", "gzip").await;
    assert_eq!((image.header("content-encoding"), image.header("vary")), ("", ""));
    assert_eq!(image.text(), text());
}

#[tokio::test]
async fn head_says_what_get_would() {
    let client = app().client().await;
    for path in ["/json", "/file", "/image"] {
        let get = client.get(path).header("accept-encoding", "gzip").await;
        let head = client.head(path).header("accept-encoding", "gzip").await;
        assert!(head.bytes().is_empty());
        for name in ["content-encoding", "vary", "etag", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

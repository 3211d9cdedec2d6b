//! Bodies that are not looked into.

use std::{convert::Infallible, time::Duration};

use alula::{BodyStream, prelude::*};
use axum::body::Body;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

async fn bytes(body: Bytes) -> Json<usize> {
    Json(body.len())
}

async fn text(body: String) -> Json<String> {
    Json(body)
}

async fn plain(Text(body): Text) -> Json<String> {
    Json(body)
}

/// The sizes of the pieces, and how the stream ends.
async fn pieces(mut body: BodyStream) -> Json<Value> {
    let mut sizes = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => sizes.push(json!(piece.len())),
            Err(error) => sizes.push(json!(error.status().as_u16())),
        }
    }
    Json(json!(sizes))
}

async fn total(mut body: BodyStream) -> Result<Json<usize>> {
    let mut total = 0;
    while let Some(piece) = body.try_next().await? {
        total += piece.len();
    }
    Ok(Json(total))
}

fn app() -> App {
    App::new("Raw", "1").routes([
        post("/bytes", bytes).max_body(8),
        post("/text", text),
        post("/plain", plain),
        post("/pieces", pieces).max_body(8),
        post("/total", total).max_body(8),
    ])
}

fn in_pieces(pieces: &[&'static str]) -> Body {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, Infallible>(*piece)).collect();
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_body_is_taken_as_it_is() {
    let client = app().client().await;
    for content_type in ["", "image/png", "application/json"] {
        let response = client.post("/bytes").body(content_type, vec![0xff; 8]).await;
        assert_eq!(response.json::<usize>(), 8);
    }
    assert_eq!(client.post("/bytes").await.json::<usize>(), 0);
    assert_eq!(client.post("/bytes").body("", vec![0; 9]).await.status(), 413);
    for path in ["/text", "/plain"] {
        assert_eq!(client.post(path).body("", "wörd").await.json::<String>(), "wörd");
        let response = client.post(path).body("text/plain", vec![b'a', 0xff]).await;
        assert_eq!(response.status(), 400);
        assert!(response.text().contains("is not UTF-8"), "{}", response.text());
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_piece_that_is_too_much() {
    let client = app().client().await;
    let response = client.post("/pieces").body("", in_pieces(&["12", "345", ""])).await;
    assert_eq!(response.json::<Value>(), json!([2, 3, 0]));
    let response = client.post("/pieces").body("", in_pieces(&["1234", "5678", "9", "0"])).await;
    assert_eq!(response.json::<Value>(), json!([4, 4, 413]));
    let response = client.post("/total").body("", in_pieces(&["1234", "56789"])).await;
    assert_eq!(response.status(), 413);
    // One that announces it does not get as far as the endpoint.
    let response = client.post("/pieces").body("", "123456789").await;
    assert_eq!(response.status(), 413);
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Event {
    id: u32,
}

/// What a signature is made over is what was sent.
async fn signed(raw: Bytes, Json(event): Json<Event>) -> Json<Value> {
    Json(json!([raw.len(), event.id]))
}

#[tokio::test]
async fn the_raw_body_is_there_beside_what_it_says() {
    let app = || App::new("Raw", "1").route(post("/", signed));
    let response = app().client().await.post("/").body("application/json", "{\"id\": 7 }").await;
    assert_eq!(response.json::<Value>(), json!([10, 7]));
    let document = app().openapi().unwrap();
    let body = document.pointer("/paths/~1/post/requestBody").unwrap();
    assert_eq!(body["required"], true);
    assert_eq!(
        body["content"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["application/json"]
    );
}

#[tokio::test]
async fn raw_bodies_are_documented() {
    let document = app().openapi().unwrap();
    let body = |path: &str| document["paths"][path]["post"]["requestBody"].clone();
    let bytes = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    let bytes = json!({
        "required": false,
        "content": { "application/octet-stream": { "schema": bytes } },
    });
    assert_eq!(body("/bytes"), bytes);
    assert_eq!(body("/total"), bytes);
    let text = json!({ "required": false, "content": { "text/plain": { "schema": { "type": "string" } } } });
    assert_eq!(body("/text"), text);
    assert_eq!(body("/plain"), text);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_reads_late_is_not_the_clients_fault() {
    async fn late(mut body: BodyStream) -> Result<Json<usize>> {
        let mut total = 0;
        while let Some(piece) = body.try_next().await? {
            total += piece.len();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Ok(Json(total))
    }
    // Each piece is waited for, but not for long.
    let pieces = stream::iter(["12", "345", "6"]).then(|piece| async move {
        tokio::time::sleep(Duration::from_secs(9)).await;
        Ok::<_, Infallible>(piece)
    });
    let client = App::new("Raw", "1").route(post("/", late)).client().await;
    let response = client.post("/").body("", Body::from_stream(pieces)).await;
    assert_eq!(response.json::<usize>(), 6, "{}", response.text());
}

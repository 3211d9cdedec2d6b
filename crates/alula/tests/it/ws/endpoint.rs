//! Inputs, messages and what surrounds an endpoint.

use alula::{
    prelude::*,
    ws::{Error, JsonSocket, Message, Receiver, Sender},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};

use super::{Log, echo, noted};

fn app() -> App {
    App::new("Test", "1.0.0").state(Log::default())
}

#[tokio::test]
async fn text_and_bytes_come_back() {
    let client = app().routes(routes![echo]).client().await;
    let mut socket = client.websocket("/echo").connect().await.unwrap();
    socket.send_text("grüße").await;
    assert_eq!(socket.recv().await, Some(Message::Text("grüße".to_owned())));
    let large = vec![7; 300_000];
    socket.send_bytes(large.clone()).await;
    assert_eq!(socket.recv_bytes().await, large);
    socket.send_text("").await;
    assert_eq!(socket.recv_text().await, "");
    assert_eq!(socket.close().await.code, 1000);
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Room {
    #[schemars(range(min = 1))]
    room: u32,
}

#[dependency]
async fn user(key: ApiKey) -> Result<String> {
    match key.as_str() {
        "secret" => Ok("ada".to_owned()),
        _ => Err(HttpError::forbidden("unknown key")),
    }
}

#[ws("/chat/{language}")]
async fn chat(
    Path(language): Path<String>,
    mut socket: WebSocket,
    user: Depends<user>,
    Query(query): Query<Room>,
    id: RequestId,
) -> Result<()> {
    socket.send_text(format!("{} {language} {} {id}", *user, query.room)).await?;
    Ok(())
}

#[tokio::test]
async fn inputs_and_dependencies_stand_beside_the_socket() {
    let client = app().routes(routes![chat]).client().await;
    let request = client.websocket("/chat/de?room=7").header("x-api-key", "secret");
    let mut socket = request.header("x-request-id", "r1").connect().await.unwrap();
    assert_eq!(socket.headers()["x-request-id"], "r1");
    assert_eq!(socket.recv_text().await, "ada de 7 r1");
    assert_eq!(socket.closed().await.code, 1000);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_answered_over_http() {
    let client = app().routes(routes![chat]).client().await;
    let missing = client.websocket("/chat/de?room=7").connect().await.unwrap_err();
    assert_eq!(missing.status(), 401);
    let wrong = client.websocket("/chat/de?room=7").header("x-api-key", "no");
    assert_eq!(wrong.connect().await.unwrap_err().status(), 403);
    let invalid = client.websocket("/chat/de?room=0").header("x-api-key", "secret");
    let invalid = invalid.connect().await.unwrap_err();
    assert_eq!(invalid.status(), 422);
    let detail = &invalid.json::<Value>()["detail"][0];
    assert_eq!(detail["loc"], json!(["query", "room"]));
    assert_eq!(invalid.header("content-type"), "application/json");
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    #[schemars(length(min = 1))]
    text: String,
    #[serde(default)]
    tokens: u32,
}

#[ws("/ask")]
async fn ask(mut socket: WebSocket) -> Result<()> {
    while let Some(question) = socket.recv_json::<Question>().await {
        match question {
            Ok(question) => socket.send_json(&json!([question.text, question.tokens])).await?,
            Err(error) => socket.send_json(&error).await?,
        }
    }
    Ok(())
}

#[ws("/ask-lax", lax)]
async fn ask_lax(mut socket: JsonSocket<Question, Value>) -> Result<()> {
    while let Some(question) = socket.recv().await {
        match question {
            Ok(question) => socket.send(&json!([question.text, question.tokens])).await?,
            Err(error) => socket.send_error(&error).await?,
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_invalid_message_is_told_and_the_connection_goes_on() {
    let client = app().routes(routes![ask]).client().await;
    let mut socket = client.websocket("/ask").connect().await.unwrap();
    socket.send_text(r#"{"text": "", "tokens": "4"}"#).await;
    let error = socket.recv_json::<Value>().await;
    let kinds: Vec<_> = error["detail"].as_array().unwrap().iter().map(|e| &e["type"]).collect();
    assert_eq!(kinds, ["string_too_short", "int_type"]);
    assert_eq!(error["detail"][1]["loc"], json!(["body", "tokens"]));
    socket.send_text("{").await;
    assert_eq!(socket.recv_json::<Value>().await["detail"][0]["type"], "json_invalid");
    socket.send_bytes(vec![0xff]).await;
    assert_eq!(socket.recv_json::<Value>().await["detail"][0]["type"], "string_type");
    socket.send_text(r#"["by position", 4]"#).await;
    assert_eq!(socket.recv_json::<Value>().await["detail"][0]["type"], "model_attributes_type");
    socket.send_bytes(r#"{"text": "in bytes"}"#).await;
    assert_eq!(socket.recv_json::<Value>().await, json!(["in bytes", 0]));
    socket.close().await;
}

#[tokio::test]
async fn a_lax_route_converts_messages() {
    let client = app().routes(routes![ask_lax]).client().await;
    let mut socket = client.websocket("/ask-lax").connect().await.unwrap();
    socket.send_text(r#"{"text": "a", "tokens": "4"}"#).await;
    assert_eq!(socket.recv_json::<Value>().await, json!(["a", 4]));
    socket.send_text(r#"{"text": "a", "tokens": "x"}"#).await;
    assert_eq!(socket.recv_json::<Value>().await["detail"][0]["type"], "int_parsing");
    socket.close().await;
}

#[tokio::test]
async fn text_is_asked_for_and_bytes_are_refused() {
    async fn handler(mut socket: WebSocket) -> Result<()> {
        let error = socket.recv_text().await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Invalid(details) if details.len() == 1), "{error}");
        let text = socket.recv_text().await.unwrap()?;
        Ok(socket.send_text(text).await?)
    }
    let client = app().route(ws("/", handler)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send_bytes("bytes").await;
    socket.send_text("text").await;
    assert_eq!(socket.recv_text().await, "text");
    socket.close().await;
}

#[ws("/noted")]
async fn with_tasks(mut socket: WebSocket, log: Depends<noted>, tasks: BackgroundTasks) {
    let later = Log::clone(&log);
    tasks.add(async move { later.note("task") });
    let _ = socket.recv().await;
    log.note("handler");
}

#[tokio::test]
async fn tasks_and_exits_follow_the_endpoint() {
    let log = Log::default();
    let client = App::new("T", "1").state(log.clone()).routes(routes![with_tasks]).client().await;
    let mut socket = client.websocket("/noted").connect().await.unwrap();
    assert!(log.take().is_empty());
    // Another request does not wait for the open connection.
    assert_eq!(client.get("/").await.status(), 404);
    socket.send_text("go").await;
    assert_eq!(socket.closed().await.code, 1000);
    assert_eq!(log.take(), ["handler", "task", "exit Ok"]);
}

#[tokio::test]
async fn the_halves_work_in_different_tasks() {
    async fn handler(socket: WebSocket) -> Result<()> {
        async fn forward(mut sender: Sender, mut receiver: tokio::sync::mpsc::Receiver<String>) {
            while let Some(text) = receiver.recv().await {
                sender.send_text(text).await.unwrap();
            }
        }
        async fn listen(mut receiver: Receiver, sender: tokio::sync::mpsc::Sender<String>) {
            while let Some(text) = receiver.recv_text().await {
                sender.send(text.unwrap()).await.unwrap();
            }
        }
        let (sender, receiver) = socket.split();
        let (texts, queue) = tokio::sync::mpsc::channel(1);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(forward(sender, queue));
        tasks.spawn(listen(receiver, texts));
        tasks.join_all().await;
        Ok(())
    }
    let client = app().route(ws("/", handler)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    for number in 0..100 {
        socket.send_text(number.to_string()).await;
        assert_eq!(socket.recv_text().await, number.to_string());
    }
    assert_eq!(socket.close().await.code, 1000);
}

#[tokio::test]
async fn it_is_a_stream_and_a_sink() {
    async fn handler(socket: WebSocket) -> Result<()> {
        let (sink, stream) = StreamExt::split(socket);
        Ok(stream.forward(sink).await?)
    }
    let client = app().route(ws("/", handler)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send_text("a").await;
    socket.send_text("b").await;
    assert_eq!(socket.recv_text().await, "a");
    assert_eq!(socket.recv_text().await, "b");
    socket.close().await;

    async fn flushing(mut socket: WebSocket) -> Result<()> {
        socket.feed(Message::from("first")).await?;
        SinkExt::flush(&mut socket).await?;
        socket.feed(Message::from("second")).await?;
        Ok(SinkExt::close(&mut socket).await?)
    }
    let client = app().route(ws("/", flushing)).client().await;
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.recv_text().await, "first");
    assert_eq!(socket.recv_text().await, "second");
    assert_eq!(socket.closed().await.code, 1000);
}

#[test]
fn the_document_does_not_know_it() {
    let document = app().routes(routes![chat]).openapi().unwrap();
    assert_eq!(document["paths"], json!({}));
    assert_eq!(document.pointer("/components/securitySchemes"), None);
}

#[test]
fn what_cannot_work_stops_the_start() {
    let mistakes = |route| app().route(route).openapi().unwrap_err().to_string();
    async fn nothing() {}
    assert!(mistakes(ws("/", nothing)).contains("takes a `WebSocket`"));
    async fn twice(_: WebSocket, _: JsonSocket<Question, Value>) {}
    assert!(mistakes(ws("/", twice)).contains("taken twice"));
    async fn body(_: WebSocket, _: Json<Question>) {}
    assert!(mistakes(ws("/", body)).contains("has no body"));
    async fn elsewhere(_: WebSocket) -> Json<u8> {
        Json(1)
    }
    assert!(mistakes(get("/", elsewhere)).contains("for routes made with `ws`"));
    async fn fine(_: WebSocket) {}
    let origin = ws("/", fine).allowed_origins(["example.com"]);
    assert!(mistakes(origin).contains("`example.com` is not an origin"));
    assert!(mistakes(ws("/", fine).protocols(["a b"])).contains("`a b` is not the name"));
    async fn plain() {}
    let misplaced = get("/", plain).protocols(["a"]);
    assert!(mistakes(misplaced).contains("is for WebSockets"));
}

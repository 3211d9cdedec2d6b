//! Streams: server-sent events and JSON Lines.

use std::time::Duration;

use alula::{Event, prelude::*};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    bodies::Item,
    dependencies::{other, user},
    events::Events,
};

#[derive(Serialize, JsonSchema)]
struct Token {
    token: String,
    index: Option<i64>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Count {
    #[serde(default = "three")]
    #[schemars(range(max = 100))]
    count: i64,
}

fn three() -> i64 {
    3
}

#[get("/streams/tokens")]
async fn tokens(Query(query): Query<Count>) -> Sse<impl Stream<Item = Token>> {
    let token = |index| Token { token: format!("é {index}"), index: Some(index) };
    Sse::new(stream::iter(0..query.count).map(token))
}

#[get("/streams/texts")]
async fn event_texts() -> Sse<impl Stream<Item = &'static str>> {
    Sse::new(stream::iter(["one\ntwo", ""]))
}

#[get("/streams/events")]
async fn events() -> Sse<impl Stream<Item = Event<Value>>> {
    let first = Event::new(json!({"a": 1})).event("start").id("1");
    Sse::new(stream::iter([
        first.retry(Duration::from_secs(3)),
        Event::comment("still here"),
        Event::raw("one\ntwo\r\nthree").id(""),
        Event::raw("[DONE]"),
    ]))
}

#[post("/streams/chat")]
async fn stream_chat(
    user: Depends<user>,
    Json(item): Json<Item>,
) -> Sse<impl Stream<Item = Token>> {
    let token = Token { token: format!("{} {}", *user, item.name), index: None };
    Sse::new(stream::iter([token]))
}

#[get("/streams/lines")]
async fn lines(Query(query): Query<Count>) -> JsonLines<impl Stream<Item = Token>> {
    let token = |index| Token { token: "t".to_owned(), index: Some(index) };
    JsonLines::new(stream::iter(0..query.count).map(token))
}

#[get("/streams/order")]
async fn order(
    _other: Depends<other>,
    tasks: BackgroundTasks,
    events: State<Events>,
) -> Sse<impl Stream<Item = i64>> {
    let task = events.clone();
    tasks.add(async move { task.note("task") });
    Sse::new(stream::iter(0..2).inspect(move |item| events.note(format!("item {item}"))))
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Streams").routes(routes![
        tokens,
        event_texts,
        events,
        stream_chat,
        lines,
        order
    ])
}

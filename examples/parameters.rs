//! Path and query parameters, headers and cookies.

use alula::prelude::*;
use serde_json::{Value, json};

#[derive(Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Newest,
    Oldest,
}

/// Which part of a list to show.
#[derive(Deserialize, JsonSchema, Validate)]
struct Page {
    #[serde(default)]
    offset: u32,
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
    /// May be given many times: `?tag=a&tag=b`.
    #[serde(default)]
    tag: Vec<String>,
    #[serde(default)]
    order: Order,
}

fn ten() -> u32 {
    10
}

/// The field `accept_language` reads the header `accept-language`.
#[derive(Deserialize, JsonSchema, Validate)]
struct Language {
    accept_language: Option<String>,
}

/// One conversation.
#[get("/conversations/{id}", tag = "Conversations")]
async fn conversation(Path(id): Path<u64>, Header(language): Header<Language>) -> Json<String> {
    let language = language.accept_language.unwrap_or_else(|| "en".to_owned());
    Json(format!("conversation {id} in {language}"))
}

/// The messages of a conversation.
#[get("/conversations/{id}/messages", tag = "Conversations")]
async fn messages(Path(id): Path<u64>, Query(page): Query<Page>) -> Json<Value> {
    let Page { offset, limit, tag, order } = page;
    Json(json!({"id": id, "offset": offset, "limit": limit, "tag": tag, "order": order}))
}

pub(crate) fn app() -> App {
    App::new("Parameters", "1.0.0").routes(routes![conversation, messages])
}

#[tokio::main]
async fn main() -> Result<()> {
    app().serve("127.0.0.1:8000").await
}

//! Streaming: the answer of a model as server-sent events, token by token.

use alula::prelude::*;
use alula_llm::{ChatEvent, ChatRequest, Demo, Llm};
use futures_util::StreamExt as _;

#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    #[schemars(length(min = 1))]
    message: String,
}

/// One piece of the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Token {
    pub(crate) token: String,
}

/// Ask, and read the answer as it is written.
///
/// A reader that is slow slows its own stream only; one that leaves ends the call to the model.
#[post("/chat/stream", tag = "Chat")]
async fn chat(
    llm: State<Llm>,
    Json(question): Json<Question>,
) -> Result<Sse<impl Stream<Item = Event<Token>>>> {
    let events = llm.stream(ChatRequest::default().user(question.message)).await?;
    let tokens = events.filter_map(async |event| match event {
        Ok(ChatEvent::Text { text, .. }) => Some(Ok(Event::new(Token { token: text }))),
        Ok(_) => None,
        Err(error) => Some(Err(HttpError::from(error))),
    });
    let done = futures_util::stream::once(async { Ok(Event::raw("[DONE]")) });
    Ok(Sse::fallible(tokens.chain(done)))
}

/// A line of JSON for each number, for clients that do not read events.
#[get("/count")]
async fn count() -> JsonLines<impl Stream<Item = u32>> {
    JsonLines::new(futures_util::stream::iter(0..3))
}

pub(crate) fn app() -> Result<App> {
    let llm = Llm::builder().provider(Demo::new()).default_model("demo/demo").build()?;
    Ok(App::new("Streaming", "1.0.0").state(llm).routes(routes![chat, count]))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app()?.serve("127.0.0.1:8000").await
}

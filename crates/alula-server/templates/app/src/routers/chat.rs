//! Chats: an answer at once, or as it is written.

use alula::{Route, prelude::*};
use futures_util::{StreamExt as _, stream};

use crate::{
    dependencies::{current_user, model},
    error::Error,
    models::{ChatRequest, ChatResponse, Token},
};

/// The routes of this module.
pub fn routes() -> Vec<Route> {
    routes![chat, chat_stream]
}

/// Ask the model.
#[post("")]
async fn chat(
    user: Depends<current_user>,
    model: Depends<model>,
    Json(request): Json<ChatRequest>,
) -> Result<Json<ChatResponse>, Error> {
    tracing::info!(user.key, "chat");
    let response: Vec<String> = model.answer(request.message)?.collect().await;
    Ok(Json(ChatResponse { response: response.concat() }))
}

/// Ask the model, and read the answer as it is written.
///
/// The answer is a stream of server-sent events. A client that leaves ends the work on it.
#[post("/stream")]
async fn chat_stream(
    _user: Depends<current_user>,
    model: Depends<model>,
    Json(request): Json<ChatRequest>,
) -> Result<Sse<impl Stream<Item = Event<Token>>>, Error> {
    let tokens = model.answer(request.message)?.map(|token| Event::new(Token { token }));
    Ok(Sse::new(tokens.chain(stream::once(async { Event::raw("[DONE]") }))))
}

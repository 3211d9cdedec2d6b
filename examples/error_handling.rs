//! Errors: a type of your own with its statuses, limits that say when to come back, and a handler.

use std::{io, num::ParseIntError};

use alula::{ApiError, prelude::*};

/// How many words a question may have.
const WORDS_MAX: usize = 50;

/// Why a question is not answered. Each status is in the documentation.
#[derive(Debug, ApiError)]
enum ChatError {
    /// The caller asks too often.
    #[api(status = 429, detail = "Wait {seconds} seconds", retry_after = seconds)]
    RateLimited { seconds: u64 },
    /// The question is longer than what the model reads.
    #[api(status = 413, detail = "{words} words are more than {max}")]
    TooLong { words: usize, max: usize },
    /// The model did not answer.
    #[api(status = 502)]
    Model(#[source] io::Error), // for the log; the client reads the line above
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    message: String,
}

/// Ask a question.
#[post("/chat", tag = "Chat")]
async fn chat(Json(question): Json<Question>) -> Result<Json<usize>, ChatError> {
    let words = question.message.split_whitespace().count();
    match question.message.as_str() {
        "again" => Err(ChatError::RateLimited { seconds: 30 }),
        "broken" => Err(ChatError::Model(io::Error::other("connection reset"))),
        _ if words > WORDS_MAX => Err(ChatError::TooLong { words, max: WORDS_MAX }),
        _ => Ok(Json(words)),
    }
}

/// The length of a list of numbers. `?` is a 500, unless a handler knows the error.
#[post("/count")]
async fn count(Json(list): Json<String>) -> Result<Json<usize>> {
    let numbers: Result<Vec<i64>, _> = list.split(',').map(|number| number.parse()).collect();
    Ok(Json(numbers?.len()))
}

pub(crate) fn app() -> App {
    App::new("Errors", "1.0.0")
        .routes(routes![chat, count])
        .on_error(|error: &ParseIntError, _| HttpError::bad_request(error.to_string()))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}

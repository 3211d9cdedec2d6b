//! An API with one endpoint, its validation and its documentation.
//!
//! Run it with `cargo run -p examples --bin quick_start`, then open <http://127.0.0.1:8000/docs>.

use alula::prelude::*;

/// A question to the model.
#[derive(Deserialize, JsonSchema, Validate)]
pub(crate) struct Question {
    #[schemars(length(min = 1, max = 10_000))]
    pub(crate) message: String,
}

/// What the model says.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Answer {
    pub(crate) response: String,
}

/// Whether the API runs.
#[get("/")]
async fn root() -> Json<&'static str> {
    Json("AI API is running")
}

/// Ask a question.
#[post("/chat", tag = "Chat")]
async fn chat(Json(question): Json<Question>) -> Json<Answer> {
    Json(Answer { response: format!("You said: {}", question.message) })
}

pub(crate) fn app() -> App {
    App::new("AI API", "1.0.0").routes(routes![root, chat])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init(); // shows the address, the access log, the causes of errors
    app().serve("127.0.0.1:8000").await
}

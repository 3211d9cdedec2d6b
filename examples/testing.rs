//! Testing: the application runs inside the test, with other dependencies, and costs nothing.
//!
//! `tests/it/testing.rs` beside this program replaces the caller and the budget.

use alula::prelude::*;

/// The caller, by the token of the request.
#[dependency]
pub(crate) async fn current_user(token: Bearer) -> Result<String> {
    match token.as_str() {
        "secret" => Ok("ada".to_owned()),
        _ => Err(HttpError::forbidden("Unknown token")),
    }
}

/// How many tokens the caller may still use today.
#[dependency]
pub(crate) async fn tokens_left(_user: Depends<current_user>) -> u32 {
    1000
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    #[schemars(length(min = 1, max = 200))]
    question: String,
}

/// Ask a question that the budget allows.
#[post("/ask")]
async fn ask(
    user: Depends<current_user>,
    left: Depends<tokens_left>,
    Json(request): Json<Question>,
) -> Result<Json<String>> {
    if request.question.split_whitespace().count() > *left as usize {
        return Err(HttpError::too_many_requests("The budget of today is used up", 3600));
    }
    Ok(Json(format!("{}: {}", *user, request.question)))
}

pub(crate) fn app() -> App {
    App::new("Testing", "1.0.0").routes(routes![ask])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}

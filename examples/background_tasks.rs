//! Work after the answer: the client does not wait for it, the shutdown does.

use std::sync::Mutex;

use alula::prelude::*;

/// What was asked of the model, for the invoice.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<(String, usize)>>);

impl Ledger {
    fn add(&self, user: &str, tokens: usize) {
        if let Ok(mut entries) = self.0.lock() {
            entries.push((user.to_owned(), tokens));
        }
    }

    fn total(&self) -> usize {
        self.0.lock().map_or(0, |entries| entries.iter().map(|(_, tokens)| tokens).sum())
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    user: String,
    message: String,
}

/// Answer first, then write down what it cost.
#[post("/chat")]
async fn chat(
    ledger: State<Ledger>,
    tasks: BackgroundTasks,
    Json(question): Json<Question>,
) -> Json<String> {
    let tokens = question.message.split_whitespace().count();
    tasks.add(async move { ledger.add(&question.user, tokens) });
    Json(format!("{tokens} words received"))
}

/// How many tokens were used.
#[get("/usage")]
async fn usage(ledger: State<Ledger>) -> Json<usize> {
    Json(ledger.total())
}

pub(crate) fn app() -> App {
    App::new("Background tasks", "1.0.0").state(Ledger::default()).routes(routes![chat, usage])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}

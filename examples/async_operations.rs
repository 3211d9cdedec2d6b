//! Asynchronous operations: one completion, and a batch of them at the same time.

use alula::prelude::*;
use alula_llm::{ChatRequest, Demo, Llm};
use futures_util::{StreamExt as _, stream};

/// How many questions of a batch are with the model at a time.
const CONCURRENCY: usize = 8;

#[derive(Deserialize, JsonSchema, Validate)]
struct Prompt {
    #[schemars(length(min = 1))]
    prompt: String,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Batch {
    #[schemars(length(min = 1, max = 100))]
    prompts: Vec<String>,
}

/// Ask once. A client that leaves cancels the call to the model.
#[post("/complete")]
async fn complete(llm: State<Llm>, Json(request): Json<Prompt>) -> Result<Json<String>> {
    Ok(Json(ask(&llm, request.prompt).await?))
}

/// Ask many questions at the same time. The answers keep the order of the questions.
#[post("/batch")]
async fn batch(llm: State<Llm>, Json(batch): Json<Batch>) -> Json<Vec<Option<String>>> {
    let answers = batch.prompts.into_iter().map(|prompt| {
        let llm = llm.clone();
        async move { ask(&llm, prompt).await.ok() }
    });
    Json(stream::iter(answers).buffered(CONCURRENCY).collect().await)
}

async fn ask(llm: &Llm, prompt: String) -> Result<String, alula_llm::Error> {
    Ok(llm.chat(ChatRequest::default().user(prompt)).await?.text())
}

/// A model that answers offline; a provider with a key takes its place.
pub(crate) fn app() -> Result<App> {
    let llm = Llm::builder().provider(Demo::new()).default_model("demo/demo").build()?;
    Ok(App::new("Async", "1.0.0").state(llm).routes(routes![complete, batch]))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app()?.serve("127.0.0.1:8000").await
}

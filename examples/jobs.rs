//! Jobs: work that is kept until it is done, whatever happens to the process.

use alula::{
    jobs::{JobId, Queue, Sqlite},
    prelude::*,
};

/// Something to be found later.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct Document {
    #[schemars(length(min = 1, max = 100_000))]
    text: String,
}

/// Splits a document into pieces of a few words.
#[job]
async fn chunk(document: Document) -> Vec<String> {
    let words: Vec<&str> = document.text.split_whitespace().collect();
    words.chunks(3).map(|piece| piece.join(" ")).collect()
}

/// Counts the letters of each piece, where a model would be asked what it means.
#[job(queue = "models", max_attempts = 3, timeout_seconds = 60)]
async fn embed(pieces: Vec<String>, model: Depends<model>) -> Result<Vec<usize>> {
    pieces.iter().map(|piece| model(piece)).collect()
}

/// A test puts another one in its place.
#[dependency]
pub(crate) async fn model() -> fn(&str) -> Result<usize> {
    |piece| Ok(piece.chars().filter(|char| char.is_alphabetic()).count())
}

/// Take a document. It is embedded later.
#[post("/documents", status = 202)]
async fn upload(jobs: Jobs, Json(document): Json<Document>) -> Result<Json<String>> {
    let job = jobs.enqueue(chunk, document).then(embed).await?;
    Ok(Json(job.id.to_string()))
}

/// How far is it?
#[get("/documents/{id}")]
async fn state(jobs: Jobs, Path(id): Path<String>) -> Result<Json<&'static str>> {
    let id: JobId = id.parse().map_err(|_| HttpError::not_found("That is no id"))?;
    let job = jobs.queue().get(id).await?;
    Ok(Json(job.ok_or_else(|| HttpError::not_found("There is no such job"))?.state.as_str()))
}

pub(crate) fn app(queue: Queue) -> App {
    App::new("Jobs", "1.0.0").routes(routes![upload, state]).jobs(queue).job(chunk).job(embed)
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app(Queue::new(Sqlite::open("jobs.db").await?)).serve("127.0.0.1:8000").await
}

//! Tools that share what the application holds, ask their user, and are endpoints, too.

use alula::{mcp::Elicited, prelude::*};
use tokio::sync::Mutex;

/// Notes in memory, where there would be a database.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

/// Keep a note. It gets a number.
#[post("/notes", status = 201, tool)]
async fn keep_note(notes: State<Notes>, Json(text): Json<String>) -> Json<usize> {
    let mut notes = notes.0.lock().await;
    notes.push(text);
    Json(notes.len())
}

/// Find notes that contain a text.
#[tool(read_only)]
async fn find_notes(
    #[schemars(length(min = 1))] text: String,
    /// How many at most.
    #[default(10)]
    limit: u8,
    notes: State<Notes>,
    context: McpContext,
) -> Vec<String> {
    context.progress(0.0, 1.0, "searching").await;
    let notes = notes.0.lock().await;
    notes.iter().filter(|note| note.contains(&text)).take(limit.into()).cloned().collect()
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Answer {
    /// Really remove all of them?
    sure: bool,
}

/// Remove all notes, if the user agrees.
#[tool(destructive)]
async fn clear_notes(notes: State<Notes>, context: McpContext) -> Result<&'static str> {
    match context.elicit::<Answer>("Remove all notes?").await? {
        Elicited::Accepted(Answer { sure: true }) => notes.0.lock().await.clear(),
        _ => return Ok("Nothing was removed"),
    }
    Ok("All notes are removed")
}

pub(crate) fn app() -> App {
    let app = App::new("Notes", "1.0.0").state(Notes::default()).routes(routes![keep_note]);
    app.mcp("/mcp").tool(find_notes).tool(clear_notes)
}

#[tokio::main]
async fn main() -> Result<()> {
    app().serve("127.0.0.1:8000").await
}

//! An MCP server: functions that models call, over HTTP and over stdio.

use alula::{mcp::Message, prelude::*};

/// Add two numbers.
#[tool(read_only)]
pub(crate) async fn add(
    /// The first one.
    a: i64,
    /// The second one.
    b: i64,
) -> i64 {
    a + b
}

/// Greet someone.
#[resource("greeting://{name}")]
async fn greeting(name: String) -> String {
    format!("Hello, {name}!")
}

/// Review code: bugs and errors, performance, security, style and readability.
#[prompt(title = "Code review")]
async fn review(
    /// The code.
    code: String,
    /// The language that it is written in.
    language: Option<String>,
) -> Vec<Message> {
    let language = language.unwrap_or_else(|| "this".to_owned());
    let task = format!(
        "Review {language} code for bugs and errors, performance, security, style and \
         readability. Name the line of each finding, the worst first."
    );
    vec![Message::user(task), Message::user(code)]
}

pub(crate) fn app() -> App {
    App::new("Calculator", "1.0.0").mcp("/mcp").tool(add).resource(greeting).prompt(review)
}

#[tokio::main]
async fn main() -> Result<()> {
    // The output is the protocol's where a program starts this one.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match std::env::args().nth(1).as_deref() {
        Some("stdio") => app().serve_stdio().await,
        _ => app().serve("127.0.0.1:8000").await,
    }
}

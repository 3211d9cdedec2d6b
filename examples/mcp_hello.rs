//! The smallest MCP server: one function, for a program that starts it.

use alula::prelude::*;

/// Add two numbers.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

pub(crate) fn app() -> App {
    App::new("Demo", "1.0.0").tool(add)
}

#[tokio::main]
async fn main() -> Result<()> {
    app().serve_stdio().await
}

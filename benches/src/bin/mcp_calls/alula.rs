//! The server in Alula.

use std::io::{self, Write as _};

use alula::{App, Json, Limits, Result as AlulaResult, Server, Shutdown, Validate, post, tool};
use alula_benches::server::stdin_closed;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Numbers {
    /// The first one.
    a: i64,
    /// The second one.
    b: i64,
}

/// Add two numbers.
#[tool]
async fn add(
    /// The first one.
    a: i64,
    /// The second one.
    b: i64,
) -> Sum {
    Sum { sum: a + b }
}

async fn add_endpoint(Json(Numbers { a, b }): Json<Numbers>) -> AlulaResult<Json<Sum>> {
    Ok(Json(Sum { sum: a + b }))
}

/// With so many tools, all of which do the same; all but the first are endpoints.
fn app(tools: usize) -> App {
    let routes = (1..tools).map(|number| {
        post(&format!("/add/{number}"), add_endpoint)
            .name(format!("add_{number}"))
            .tool_as(move |tool| tool.name(format!("add_{number}")).description("Add two numbers."))
    });
    let app = App::new("Calculator", "1.0.0").access_log(false).mcp("/mcp").tool(add);
    app.routes(routes)
}

pub(crate) async fn http(tools: usize) -> Result<()> {
    let server = Server::bind("127.0.0.1:0", Limits::default()).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", server.local_addr())?;
    stdout.flush()?;
    let shutdown = Shutdown::new();
    let serving = app(tools).serve_on(server, shutdown.clone());
    let stop = async {
        stdin_closed().await;
        shutdown.trigger();
    };
    let (served, ()) = tokio::join!(serving, stop);
    Ok(served?)
}

pub(crate) async fn stdio(tools: usize) -> Result<()> {
    Ok(app(tools).serve_stdio_until(Shutdown::on_signals()?).await?)
}

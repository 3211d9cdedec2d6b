//! A server of MCP by rmcp, as fast as it can be set up: its router is made once, it sends without
//! delay, keeps no sessions and answers with JSON.
//!
//! `bench-rmcp TOOLS` serves over stdio; `bench-rmcp TOOLS --http` prints its address, and ends when
//! its standard input is closed.

use std::{io::Read as _, sync::Arc};

use anyhow::{Context as _, Result};
use axum::serve::ListenerExt as _;
use rmcp::{
    Json, ServerHandler, ServiceExt as _,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    schemars::{self, JsonSchema},
    tool, tool_handler, tool_router,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, stdio_pipes,
        streamable_http_server::session::local::LocalSessionManager,
    },
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    /// The first one.
    a: i64,
    /// The second one.
    b: i64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

#[derive(Clone)]
struct Calculator {
    tools: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Calculator {
    /// Add two numbers.
    #[tool]
    async fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Calculator {}

/// With so many tools, all of which do the same.
fn calculator(count: usize) -> Result<Calculator> {
    let mut tools = Calculator::tool_router();
    let add = tools.map.get("add").context("there is a tool")?.clone();
    for number in 1..count {
        let mut other = add.clone();
        other.attr.name = format!("add_{number}").into();
        tools.add_route(other);
    }
    Ok(Calculator { tools: Arc::new(tools) })
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().context("how many tools?")?.parse()?;
    let calculator = calculator(count)?;
    match arguments.next().as_deref() {
        Some("--http") => serve(calculator).await,
        _ => {
            calculator.serve(stdio_pipes()).await?.waiting().await?;
            Ok(())
        }
    }
}

async fn serve(calculator: Calculator) -> Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(calculator.clone()), sessions, config);
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let closed = async {
        let read = || std::io::stdin().read_to_end(&mut Vec::new());
        _ = tokio::task::spawn_blocking(read).await;
    };
    Ok(axum::serve(listener, router).with_graceful_shutdown(closed).await?)
}

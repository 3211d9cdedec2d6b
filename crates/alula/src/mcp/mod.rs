//! An MCP server (Model Context Protocol): functions that models call, with the feature `mcp`.
//!
//! `#[tool]` on an async function offers it to models. Its arguments are what the model fills in,
//! each with its doc comment; inputs as those of endpoints may stand beside them:
//! [`Depends`](crate::Depends), [`State`](crate::State), [`McpContext`] and others.
//! `#[resource("docs://{id}")]` makes one a resource, or many by a template of URIs, and `#[prompt]`
//! a prompt. An endpoint of HTTP is a tool as well where its route says [`.tool()`](crate::Route::tool).
//!
//! ```
//! use alula::prelude::*;
//! use serde_json::json;
//!
//! /// Add two numbers.
//! #[tool(read_only)]
//! async fn add(
//!     /// The first one.
//!     a: i64,
//!     /// The second one.
//!     b: i64,
//! ) -> i64 {
//!     a + b
//! }
//!
//! /// What this server is about.
//! #[resource("about://server", mime_type = "text/markdown")]
//! async fn about() -> String {
//!     "# A calculator".to_owned()
//! }
//!
//! /// Explain a sum.
//! #[prompt]
//! async fn explain(a: i64, b: i64) -> String {
//!     format!("Explain to a child why {a} + {b} is {}.", a + b)
//! }
//!
//! # #[tokio::main]
//! # async fn main() {
//! let app = App::new("Calculator", "1.0.0")
//!     .mcp("/mcp")
//!     .tool(add)
//!     .resource(about)
//!     .prompt(explain);
//!
//! let client = app.client().await;
//! let sum = client.mcp().call("add", json!({ "a": 1, "b": "2" })).await;
//! assert_eq!(sum.text(), "3");
//! # }
//! ```
//!
//! With the feature `mcp-client`, `Client` speaks to servers of others, whatever they are written in.
//!
//! [`App::mcp`](crate::App::mcp) serves it over HTTP in the same application, and
//! [`App::serve_stdio`](crate::App::serve_stdio) over the input and output of the process, as
//! programs such as Claude Desktop start it. Both speak the revision 2026-07-28 of the protocol and,
//! to clients that begin with a handshake, those from 2024-11-05 to 2025-11-25.
//!
//! # What a model reads
//!
//! | the function returns | |
//! |---|---|
//! | a value | its JSON as text, and as `structuredContent` with an `outputSchema`; what is no object becomes the `result` of one |
//! | a [`ToolResult`] or a [`Content`] | these parts |
//! | an error | its public text, as a result with `isError`; the cause goes to the log |
//! | nothing, for it panics | `Internal Server Error`, likewise |
//!
//! Arguments that do not fit are such an error, too, with the name of each. An error of status 401,
//! or of 403 with a `WWW-Authenticate`, is answered as such over HTTP, so that the client logs in.

mod about;
mod access;
mod arguments;
mod ask;
#[cfg(feature = "mcp-client")]
pub mod client;
mod complete;
mod content;
mod context;
mod define;
mod engine;
mod http;
mod hub;
mod message;
mod output;
mod registry;
mod seal;
mod session;
mod settings;
mod standard;
mod stdio;
pub(crate) mod test;
mod token;

pub(crate) use self::http::{Slot, metadata_mistake, metadata_routes, routes};
pub use about::{Icon, Prompt, Resource, Tool};
pub use access::Access;
pub(crate) use access::{Find, PlanFind, plan as plan_find};
pub use arguments::{Arguments, ArgumentsPlan, Variables, VariablesPlan};
pub use ask::{Ask, Elicit, Elicited};
#[cfg(feature = "mcp-client")]
pub use client::Client;
pub use complete::{Completer, Completing, IntoCompletions};
pub use content::{Content, Contents, Message, Role};
pub use context::McpContext;
pub use define::{McpFn, McpFuture, PromptDefinition, ResourceDefinition, ToolDefinition};
pub(crate) use engine::{Around, Engine, Parts, boxed};
pub use engine::{McpNext, McpReply, McpRequest};
pub use hub::Mcp;
pub use message::{ClientInfo, Level};
pub use output::{OutputPlan, PromptOutput, ResourceOutput, ToolOutput, ToolResult};
pub(crate) use registry::{
    Draft, EndpointRoute, EndpointTool, PlanItem, ToolOptions, plan_prompt, plan_resource,
    plan_tool,
};
pub use settings::{McpSettings, ProtectedResource};
pub(crate) use standard::{Input, own_output};
pub(crate) use stdio::serve as serve_stdio;
pub use token::VerifiedToken;

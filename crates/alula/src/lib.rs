//! A typed web framework for AI APIs.
//!
//! Write a typed async function once. Alula validates it, documents it and serves it.
//!
//! ```no_run
//! use alula::prelude::*;
//!
//! /// A chat turn.
//! #[derive(Deserialize, JsonSchema, Validate)]
//! struct ChatRequest {
//!     #[schemars(length(min = 1, max = 10_000))]
//!     message: String,
//!     /// Sampling temperature.
//!     #[serde(default)]
//!     #[schemars(range(min = 0.0, max = 2.0))]
//!     temperature: Option<f64>,
//! }
//!
//! /// Chat with a parrot.
//! #[post("/chat", tag = "Chat")]
//! async fn chat(Json(request): Json<ChatRequest>) -> Json<String> {
//!     Json(request.message)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     App::new("Parrot", "1.0.0").routes(routes![chat]).serve("127.0.0.1:8000").await
//! }
//! ```
//!
//! A program that uses it needs a few crates beside it, whose derives and macros it names:
//!
//! ```toml
//! [dependencies]
//! alula = "0.1"
//! futures-util = "0.3" # streams
//! schemars = "1"
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
//! tracing-subscriber = "0.3" # shows the log
//! ```
//!
//! # Map
//!
//! | you want to | look at |
//! |---|---|
//! | build and serve an application | [`App`], [`Router`], [`Route`], [`get()`], [`post()`], … |
//! | read a request | [`Json`], [`Form`], [`Multipart`], [`MultipartStream`], [`BodyStream`], [`Query`], [`Path`], [`Header`], [`Cookie`], [`State`] |
//! | know who asks | [`Bearer`], [`ApiKey`], [`Basic`], [`OAuth2Bearer`], [`OpenIdConnect`], [`PasswordForm`], [`SecurityScopes`], [`Credential`] |
//! | answer it | [`Json`], [`Text`], [`Html`], [`File`], [`Redirect`], [`Status`], [`Either`], [`ResponseHead`], [`SetCookie`] |
//! | answer errors | [`HttpError`], [`ApiError`], [`ErrorFormat`], [`Problem`], [`App::on_error`] |
//! | stream an answer | [`Sse`], [`JsonLines`], [`ByteStream`] |
//! | check values | [`Validate`] |
//! | describe it beyond its types | [`Contact`], [`License`], [`Example`], [`App::webhook`], [`Route::callback`] |
//! | set up `/docs` | [`DocsSettings`] |
//! | share work between endpoints | [`Dependency`], [`Depends`], [`Scope`], [`BackgroundTasks`] |
//! | configure it | [`settings`], [`Secret`] |
//! | watch it | `App::telemetry`, with the feature `otel` |
//! | speak WebSocket | `ws::WebSocket`, with the feature `ws` |
//! | stand around endpoints | [`middleware`], [`App::layer`] |
//! | limit the server | [`Limits`], [`FormLimits`], [`Shutdown`] |
//! | serve with several processes | [`App::workers`], [`Workers`](serve::Workers) |
//! | test | [`App::client`], [`testing`] |
//! | do work later, durably | `jobs`, `#[job]`, `App::jobs`, with the feature `jobs` |
//! | offer it to models | `mcp`, `#[tool]`, `#[resource]`, `#[prompt]`, `App::mcp`, with the feature `mcp` |
//! | use MCP servers | `mcp::Client`, with the feature `mcp-client` |
//! | live beside axum | [`Axum`], [`AxumBody`], [`App::into_service`], [`App::merge_axum`] |
//! | extend it | [`Input`], [`Output`], [`ApiError`], [`Middleware`] |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `compression` | no | the middleware that makes answers smaller |
//! | `docs` | yes | Swagger UI at `/docs`, from the binary |
//! | `jobs` | no | durable jobs in SQLite and Postgres: `jobs`, `#[job]` |
//! | `mcp` | no | an MCP server: `mcp`, `#[tool]`, `#[resource]`, `#[prompt]` |
//! | `mcp-client` | no | a client of MCP servers: `mcp::Client`; with `mcp` |
//! | `redoc` | no | Redoc at `/redoc`, from the binary; the binary grows by 330 kB |
//! | `route-template` | no | `middleware::RouteTemplate`, to count by route |
//! | `tls` | no | HTTPS: `App::tls`, `serve::Tls` |
//! | `toml` | no | [`settings`] from files in TOML |
//! | `otel` | no | spans and metrics by OpenTelemetry |
//! | `ws` | no | WebSockets: `ws`, `#[ws]`, `WebSocket` |

// The macros name this crate by its absolute path, in its own tests too.
#[cfg(test)]
extern crate self as alula;

mod accept;
mod app;
mod dependency;
mod error;
mod files;
mod handler;
mod idle;
mod input;
#[cfg(feature = "jobs")]
pub mod jobs;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod middleware;
mod openapi;
#[cfg(feature = "otel")]
pub mod otel;
mod output;
mod routing;
pub mod schema;
pub mod serve;
pub mod settings;
pub mod testing;
mod validate;
#[cfg(feature = "ws")]
pub mod ws;

#[cfg(feature = "jobs")]
pub use alula_macros::job;
#[cfg(feature = "ws")]
pub use alula_macros::ws;
pub use alula_macros::{
    ApiError, Validate, delete, dependency, get, head, options, patch, post, put, routes,
};
#[cfg(feature = "mcp")]
pub use alula_macros::{prompt, resource, tool};
#[cfg(feature = "docs")]
pub use app::DocsSettings;
pub use app::{App, AppService, Ending, StartError, Startup};
pub use axum::body::{Body, Bytes};
pub use dependency::{BackgroundTasks, Dependency, Depends, Outcome, Scope};
pub use error::{
    ApiError, CatchError, ErrorContext, ErrorFormat, FastApi, HttpError, Panic, Problem, Result,
    ValidationError,
};
pub use files::{Fallback, Frontend, StaticFiles};
pub use futures_util::Stream;
pub use handler::Handler;
pub use http;
pub use input::{
    ApiKey, ApiKeyLocation, Axum, AxumBody, Basic, Bearer, BodyStream, Challenge, Cookie,
    Credential, Form, FormLimits, FormPart, Header, Input, Json, KeyPlace, Multipart,
    MultipartStream, NoRealm, OAuth2, OAuth2Bearer, OAuth2Scheme, OpenIdConnect, OpenIdScheme,
    PasswordForm, Path, Query, Realm, Rejection, RequestContext, RequestId, SecurityScheme,
    SecurityScopes, Stage, State, StrictPasswordForm, UploadFile, XApiKey, constant_time_eq,
};
pub use middleware::ClientAddr;
pub use openapi::{Contact, Example, License, Operation, OperationName, Place, Root};
pub use output::{
    ByteStream, Chunk, Either, Event, File, Html, JsonLines, Output, Redirect, ResponseContext,
    ResponseHead, SameSite, SetCookie, Sse, SseItem, Status, StreamContext, Text,
};
pub use routing::{
    Endpoint, Middleware, Route, Router, delete, get, head, options, patch, post, put,
};
pub use schema::{Detail, Loc};
pub use serve::{Limits, Server, Shutdown};
pub use settings::Secret;
pub use validate::{Report, Validate};
#[cfg(feature = "ws")]
pub use ws::{WebSocket, ws};

/// What most programs need, with the derives they use.
///
/// The derives name `serde` and `schemars`, so a program needs these crates, too.
pub mod prelude {
    pub use crate::{
        ApiError, ApiKey, App, BackgroundTasks, Basic, Bearer, ByteStream, Bytes, Cookie, Depends,
        Either, Event, File, Form, Header, Html, HttpError, Json, JsonLines, Multipart,
        MultipartStream, Path, Query, Redirect, RequestId, ResponseHead, Result, Router, Scope,
        SetCookie, Sse, State, Status, Stream, Text, UploadFile, Validate, delete, dependency, get,
        head, options, patch, post, put, routes,
    };
    #[cfg(feature = "ws")]
    pub use crate::{WebSocket, ws};
    #[cfg(feature = "jobs")]
    pub use crate::{
        job,
        jobs::{JobContext, Jobs},
    };
    #[cfg(feature = "mcp")]
    pub use crate::{
        mcp::{McpContext, ToolResult},
        prompt, resource, tool,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::error::RetryAfter;
    pub use crate::validate::constraint::{
        Contains, Each, ItemCount, Keeps, Length, MultipleOf, Optional, PropertyCount, Range,
        TextLength, UniqueItems,
    };
    pub use crate::validate::number::{Limit, Number};
    pub use crate::validate::pattern::Pattern;
}

/// What the fuzz targets call.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::input::fuzz::multipart;
}

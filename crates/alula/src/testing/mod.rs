//! Tests of applications, in process.

mod client;
mod form;
#[cfg(feature = "jobs")]
mod jobs;
#[cfg(feature = "mcp")]
mod mcp;
mod response;
#[cfg(feature = "ws")]
mod websocket;

pub use client::{TestClient, TestRequest};
pub use form::TestForm;
#[cfg(feature = "jobs")]
pub use jobs::TestJobs;
#[cfg(feature = "mcp")]
pub use mcp::{TestCall, TestMcp};
pub use response::{TestEvent, TestResponse, TestStream};
#[cfg(feature = "ws")]
pub use websocket::{TestWebSocket, TestWebSocketRequest};

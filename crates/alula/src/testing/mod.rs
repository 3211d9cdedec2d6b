//! Tests of applications, in process.

mod client;
mod form;
#[cfg(feature = "jobs")]
mod jobs;
mod response;
#[cfg(feature = "ws")]
mod websocket;

pub use client::{TestClient, TestRequest};
pub use form::TestForm;
#[cfg(feature = "jobs")]
pub use jobs::TestJobs;
pub use response::{TestEvent, TestResponse, TestStream};
#[cfg(feature = "ws")]
pub use websocket::{TestWebSocket, TestWebSocketRequest};

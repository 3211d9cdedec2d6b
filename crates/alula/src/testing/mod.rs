//! Tests of applications, in process.

mod client;
mod form;
mod response;
#[cfg(feature = "ws")]
mod websocket;

pub use client::{TestClient, TestRequest};
pub use form::TestForm;
pub use response::{TestEvent, TestResponse, TestStream};
#[cfg(feature = "ws")]
pub use websocket::{TestWebSocket, TestWebSocketRequest};

//! Tests of applications, in process.

mod client;
mod response;

pub use client::{TestClient, TestRequest};
pub use response::{TestEvent, TestResponse, TestStream};

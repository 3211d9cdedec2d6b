//! An application in process, one for each thread.

use std::cell::RefCell;

use alula::{
    App, Body,
    http::Request,
    testing::{TestClient, TestResponse},
};
use tokio::runtime::{Builder, Runtime};

/// An application that takes requests, and what runs it.
pub struct Running {
    runtime: Runtime,
    client: TestClient,
}

impl Running {
    /// Starts an application.
    pub fn start(app: App) -> RefCell<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(app.client());
        RefCell::new(Self { runtime, client })
    }

    /// Sends a request. No request may be answered with a 5xx, and every error is JSON.
    pub fn send(&mut self, request: Request<Body>) -> TestResponse {
        let client = &self.client;
        let response = self.runtime.block_on(async move { client.send(request).await });
        let status = response.status();
        assert!(!status.is_server_error(), "{status} {}", response.text());
        if status.is_client_error() {
            let detail = &response.json::<serde_json::Value>()["detail"];
            assert!(!detail.is_null(), "{status} {}", response.text());
        }
        response
    }
}

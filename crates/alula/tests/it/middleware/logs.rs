//! The access log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use alula::{App, HttpError, Json, Result, get};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

async fn handler() -> Json<u8> {
    Json(1)
}

async fn down() -> Result<()> {
    Err(HttpError::unavailable("down"))
}

/// The paths that the log tells of.
async fn logged(app: impl FnOnce(App) -> App) -> Vec<String> {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().json().with_writer(log.clone()).without_time().finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let routes = [get("/", handler), get("/health", handler), get("/health/down", down)];
    let client = app(App::new("Log", "1.0.0").routes(routes)).client().await;
    for path in ["/", "/health", "/health/down", "/nowhere"] {
        client.get(path).await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let access = lines.filter(|line| line["target"] == "alula::access");
    access.map(|line| line["fields"]["path"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_request_has_a_line() {
    assert_eq!(logged(|app| app).await, ["/", "/health", "/health/down", "/nowhere"]);
}

#[tokio::test]
async fn paths_can_be_left_out_but_not_their_failures() {
    let skipping = logged(|app| app.access_log_skip(["/health", "/health/down", "/x"]));
    assert_eq!(skipping.await, ["/", "/health/down", "/nowhere"]);
}

#[tokio::test]
async fn it_can_be_turned_off() {
    assert!(logged(|app| app.access_log(false)).await.is_empty());
}

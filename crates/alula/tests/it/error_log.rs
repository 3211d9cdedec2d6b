//! What the log says of errors, and of which request.

use std::{
    io,
    sync::{Arc, Mutex},
};

use alula::{Event, prelude::*};
use futures_util::{StreamExt as _, stream};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The log of one test.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
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

impl Log {
    /// Writes down what this thread logs until the guard is dropped.
    pub(crate) fn start(&self) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.clone())
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// The lines of warnings and errors.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[get("/handled")]
async fn handled() -> Result<()> {
    Err(HttpError::not_found("no such thing").because(io::Error::other("it burned")))
}

#[get("/failed")]
async fn failed() -> Result<()> {
    Err(io::Error::other("disk on fire").into())
}

#[get("/client")]
async fn clients_own() -> Result<()> {
    Err(HttpError::conflict("taken"))
}

#[get("/panic")]
async fn panics() {
    panic!("at the disco");
}

#[get("/stream")]
async fn stream_fails() -> Sse<impl Stream<Item = Event<u8>>> {
    Sse::fallible(stream::iter([Err(HttpError::internal("the model is gone"))]))
}

#[get("/lines")]
async fn stream_panics() -> JsonLines<impl Stream<Item = u8>> {
    JsonLines::new(stream::iter([1]).map(|_| panic!("in a stream")))
}

#[get("/bytes")]
async fn bytes_fail() -> ByteStream<impl Stream<Item = io::Result<Bytes>>> {
    ByteStream::new(stream::iter([Err(io::Error::other("cable cut"))]))
}

#[get("/task")]
async fn task_panics(tasks: BackgroundTasks, scope: Scope) {
    scope.on_exit(|_| async { panic!("in an exit") });
    tasks.add(async { panic!("in a task") });
}

#[tokio::test]
async fn every_line_about_an_error_has_the_id_of_its_request() {
    let log = Log::default();
    let _logging = log.start();
    let app = App::new("Log", "1.0.0")
        .routes(routes![handled, failed, clients_own, panics, stream_fails, stream_panics])
        .routes(routes![bytes_fail, task_panics]);
    let client = app.client().await;
    let cases = [
        ("/handled", &["WARN", "it burned"][..]),
        ("/failed", &["ERROR", "disk on fire"]),
        ("/panic", &["ERROR", "panicked: at the disco"]),
        ("/stream", &["ERROR", "the model is gone"]),
        ("/lines", &["ERROR", "panicked: in a stream"]),
        ("/bytes", &["ERROR", "cable cut", "broke off"]),
        ("/task", &["ERROR", "in a task", "in an exit"]),
    ];
    for (at, (path, words)) in cases.iter().enumerate() {
        let before = log.lines().len();
        let id = format!("request-{at}");
        let mut stream = client.get(path).header("x-request-id", &id).stream().await;
        if *path == "/bytes" {
            let next = std::panic::AssertUnwindSafe(stream.next());
            assert!(futures_util::FutureExt::catch_unwind(next).await.is_err());
        } else {
            stream.collect().await;
        }
        let lines = log.lines().split_off(before);
        assert!(!lines.is_empty(), "{path}");
        let named = format!("request_id=\"{id}\"");
        assert!(lines.iter().all(|line| line.contains(&named)), "{path}: {lines:#?}");
        let text = lines.join("\n");
        assert!(words.iter().all(|word| text.contains(word)), "{path}: {text}");
    }
    let before = log.lines().len();
    client.get("/client").await;
    client.get("/nowhere").await;
    assert_eq!(log.lines().len(), before, "an error of the client's own is not logged");
}

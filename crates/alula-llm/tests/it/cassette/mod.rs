//! Calls that are recorded from a server of this machine and replayed.

mod calls;
mod media;
mod misses;
mod own;
mod recorded;
mod secrets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use alula_llm::testing::{Cassette, CassetteError};
use bytes::Bytes;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Server, Step, send};

/// A folder for one cassette.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("cassettes/x.jsonl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// The names of all files, so that none is left behind.
    fn files(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.path().parent().unwrap()) else { return Vec::new() };
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A server that answers each request with a stream in these chunks.
async fn streaming(chunks: &[&str]) -> Server {
    Server::start(stream_of(chunks), false).await
}

fn stream_of(chunks: &[&str]) -> Vec<Step> {
    let mut steps = vec![head()];
    steps.extend(chunks.iter().map(|it| chunk(it)));
    steps.push(send("0\r\n\r\n"));
    steps
}

fn head() -> Step {
    send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: session=1\r\n\
         x-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

fn chunk(text: &str) -> Step {
    send(&format!("{:x}\r\n{text}\r\n", text.len()))
}

fn client() -> Client {
    // The client wants one even where it calls this machine only. A second one is refused.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

async fn post(url: &str, body: &Value) -> Response {
    client().post(url).json(body).send().await.unwrap()
}

/// All pieces of a body, and whether it ended as a whole one does.
async fn pieces(mut response: Response) -> (Vec<Bytes>, bool) {
    let mut pieces = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => pieces.push(piece),
            end => return (pieces, end.is_ok()),
        }
    }
}

fn question(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}], "stream": true})
}

async fn replay(path: &Path) -> Cassette {
    Cassette::replay(path).start().await.unwrap()
}

fn complaint(result: Result<(), CassetteError>) -> String {
    result.unwrap_err().to_string()
}

//! A collector of OpenTelemetry, which keeps what it is sent.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub(crate) struct Collector {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    _server: JoinSet<()>,
}

/// One request: `POST /v1/traces …`, and its body.
#[derive(Debug, Clone)]
struct Received {
    head: String,
    body: Vec<u8>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let mut server = JoinSet::new();
        let kept = Arc::clone(&received);
        server.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if let Some(received) = receive(stream).await {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(received);
                }
            }
        });
        Self { url, received, _server: server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Everything that came to this path, in its own bytes.
    pub(crate) fn bytes(&self, path: &str) -> Vec<Vec<u8>> {
        let received = self.received.lock().unwrap();
        let begins = format!("POST {path} ");
        received
            .iter()
            .filter(|it| it.head.starts_with(&begins))
            .map(|it| it.body.clone())
            .collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.bytes("/v1/traces");
        let requests =
            requests.iter().map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// What a text attribute of a span says.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads one request and takes it.
async fn receive(mut stream: TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split_once("content-length: ")?.1.lines().next()?.parse::<usize>().ok()?;
        if let Some(body) = bytes.get(end + 4..end + 4 + length) {
            let body = body.to_vec();
            let taken = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(taken).await.ok()?;
            return Some(Received { head, body });
        }
    }
}

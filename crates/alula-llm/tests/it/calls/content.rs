//! What anybody wrote is in no span and no log, unless it is asked for.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use alula_llm::{ChatRequest, Deadlines, Llm, OpenAi, RelayRequest, model::Protocol};
use futures_util::StreamExt;
use tracing::Level;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::server::{Server, send, stream_head};

/// Everything that is logged at all.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
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

const ANSWER: &str = r#"{"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
    "message": {"role": "assistant", "content": "canary-answer"}}]}"#;
const EVENTS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"canary-answer\"},\
                      \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
/// A provider that repeats what it was sent.
const ECHO: &str = r#"{"error": {"message": "canary-prompt is not allowed with sk-canary-key"}}"#;

/// Makes every kind of call, with answers and failures.
async fn make_calls(records: bool) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let llm = |server: &Server| {
        let openai = OpenAi::new("sk-canary-key").base_url(server.url());
        let llm = Llm::builder().provider(openai).record_content(records);
        llm.deadlines(Deadlines::default()).build().unwrap()
    };
    let request = || ChatRequest::new("gpt-4o").system("canary-system").user("canary-prompt");
    let relay = || {
        let body =
            r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "canary-prompt"}]}"#;
        RelayRequest::new(Protocol::OpenAiChat, body).unwrap()
    };

    let server = Server::answer("200 OK", ANSWER).await;
    let whole = llm(&server);
    assert_eq!(whole.chat(request()).await.unwrap().text(), "canary-answer");
    whole.relay(relay()).await.unwrap();
    let server = Server::start(vec![stream_head(), send(EVENTS)], true).await;
    let streams = llm(&server);
    streams.stream(request()).await.unwrap().accumulate().await.unwrap();
    streams.relay_stream(relay()).await.unwrap().collect::<Vec<_>>().await;
    for status in ["400 Bad Request", "500 Internal Server Error"] {
        let server = Server::answer(status, ECHO).await;
        let broken = llm(&server);
        broken.chat(request()).await.unwrap_err();
        broken.stream(request()).await.unwrap_err();
    }
    log.text()
}

#[tokio::test]
async fn nothing_that_anybody_wrote_is_logged() {
    let log = make_calls(false).await;
    assert!(log.contains("gen_ai.request.model") && log.contains("trying again"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn who_asks_for_content_gets_it_and_no_key() {
    let log = make_calls(true).await;
    for words in ["canary-system", "canary-prompt", "canary-answer", "gen_ai.output.messages"] {
        assert!(log.contains(words), "{words}");
    }
    assert!(!log.contains("sk-canary-key"));
}

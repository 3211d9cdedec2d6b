//! A provider that is asked by many at once, and counts what it has answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::upstream::{answer, parse};

/// What it does with those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    /// It says 503 to one, and resets the connection of the next.
    Fails,
    /// It keeps them waiting.
    Waits,
}

pub(crate) struct Crowd {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    mood: watch::Sender<Mood>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// How often each question was answered.
    answered: HashMap<String, usize>,
    /// The questions, in the order in which they came.
    asked: Vec<String>,
    failed: usize,
}

impl Crowd {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            Arc::new(Shared { mood: watch::Sender::new(Mood::Answers), counts: Mutex::default() });
        let serving = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "they end with the test")]
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        Self { url, shared, accepting }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// When this returns, nobody who asks is treated otherwise.
    pub(crate) fn set(&self, mood: Mood) {
        let _counts = self.shared.counts.lock().unwrap();
        self.shared.mood.send_replace(mood);
    }

    /// How many answers it has given.
    pub(crate) fn answers(&self) -> usize {
        self.shared.counts.lock().unwrap().answered.values().sum()
    }

    /// How many it has failed.
    pub(crate) fn failures(&self) -> usize {
        self.shared.counts.lock().unwrap().failed
    }

    /// How often each question was answered.
    pub(crate) fn answered(&self) -> HashMap<String, usize> {
        self.shared.counts.lock().unwrap().answered.clone()
    }

    /// The questions, in the order in which they came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.counts.lock().unwrap().asked.clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let body = loop {
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if let Some((_, body)) = parse(&bytes) {
                break body;
            }
        };
        let question = body["messages"][0]["content"].as_str().unwrap().to_owned();
        self.counts.lock().unwrap().asked.push(question.clone());
        let mut mood = self.mood.subscribe();
        let ready = async { mood.wait_for(|mood| *mood != Mood::Waits).await.map(drop) };
        tokio::select! {
            biased;
            // Whoever has left is not answered.
            _ = stream.read_u8() => return,
            ready = ready => ready.unwrap(),
        }
        match self.reply(&question) {
            Some(reply) => {
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
            None => stream.set_zero_linger().unwrap(),
        }
    }

    /// What a question gets; nothing if its connection is reset.
    fn reply(&self, question: &str) -> Option<String> {
        let mut counts = self.counts.lock().unwrap();
        if *self.mood.borrow() == Mood::Fails {
            counts.failed += 1;
            let is_told = counts.failed.is_multiple_of(2);
            return is_told.then(|| answer("503 Service Unavailable", "{}"));
        }
        if question.starts_with("wrong") {
            return Some(answer("400 Bad Request", r#"{"error": {"message": "it is wrong"}}"#));
        }
        *counts.answered.entry(question.to_owned()).or_default() += 1;
        Some(answer("200 OK", &completion(question).to_string()))
    }
}

/// The question is the answer.
fn completion(question: &str) -> Value {
    json!({"id": "1", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": question}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
}

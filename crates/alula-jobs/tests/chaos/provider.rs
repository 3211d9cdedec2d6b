//! A provider of models that counts what it is asked.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::receiver::split;

/// How long an answer takes, at most.
const WORK_MILLIS: u64 = 30;

/// It answers each question with the question.
#[derive(Debug)]
pub(crate) struct Provider {
    listener: TcpListener,
    asked: Mutex<HashMap<String, u32>>,
}

impl Provider {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        Ok(Self { listener, asked: Mutex::default() })
    }

    pub(crate) fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// How often each question was asked.
    pub(crate) fn asked(&self) -> HashMap<String, u32> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers for ever.
    pub(crate) async fn serve(&self) -> Result<()> {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => connections.push(self.converse(accepted?.0)),
                // Who asks may be killed at any byte.
                Some(_) = connections.next() => {}
            }
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> Result<()> {
        let mut bytes = Vec::new();
        loop {
            let (_, body) = loop {
                if let Some(message) = split(&mut bytes)? {
                    break message;
                }
                ensure!(stream.read_buf(&mut bytes).await? > 0, "it was broken off");
            };
            let body: Value = serde_json::from_str(&body)?;
            let question = body.pointer("/messages/0/content").and_then(Value::as_str);
            let question = question.context("there is no question")?;
            self.note(question);
            sleep(Duration::from_millis(fastrand::u64(..WORK_MILLIS))).await;
            let answer = answer(question).to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            stream
                .write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes())
                .await?;
        }
    }

    fn note(&self, question: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked.entry(question.to_owned()).or_default() += 1;
    }
}

fn answer(question: &str) -> Value {
    json!({
        "id": "1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": question},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    })
}

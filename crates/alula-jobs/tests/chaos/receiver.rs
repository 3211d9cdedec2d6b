//! A receiver of webhooks that believes nobody.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use standardwebhooks::Webhook as Verifier;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// No message of a run is longer.
const BYTES_MAX: usize = 16 * 1024;

/// What came of each name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) body: String,
    /// How often it came.
    pub(crate) tries: u32,
    pub(crate) is_accepted: bool,
}

/// What it does with messages that it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes each.
    Takes,
    /// It refuses the first try of every fifth.
    Refuses,
}

/// It keeps what has come.
pub(crate) struct Receiver {
    listener: TcpListener,
    verifier: Verifier,
    manner: Manner,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    messages: HashMap<String, Message>,
    wrong: Vec<String>,
}

impl Receiver {
    pub(crate) async fn start(secret: &str, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let verifier = Verifier::new(secret).context("it is no secret")?;
        Ok(Self { listener, verifier, manner, seen: Mutex::default() })
    }

    pub(crate) fn url(&self) -> Result<String> {
        Ok(format!("http://{}/hooks", self.listener.local_addr()?))
    }

    /// Takes messages, for ever.
    pub(crate) async fn serve(&self) -> Result<()> {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => connections.push(self.converse(accepted?.0)),
                // Who sends may be killed at any byte.
                Some(_) = connections.next() => {}
            }
        }
    }

    /// How many different messages were taken.
    pub(crate) fn accepted(&self) -> usize {
        self.with(|seen| seen.messages.values().filter(|message| message.is_accepted).count())
    }

    pub(crate) fn messages(&self) -> HashMap<String, Message> {
        self.with(|seen| seen.messages.clone())
    }

    /// Messages that no receiver should believe.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.with(|seen| seen.wrong.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn converse(&self, mut stream: TcpStream) -> Result<()> {
        let mut bytes = Vec::new();
        loop {
            let (head, body) = loop {
                if let Some(message) = split(&mut bytes)? {
                    break message;
                }
                ensure!(stream.read_buf(&mut bytes).await? > 0, "it was broken off");
            };
            let status = self.judge(&head, &body);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    fn judge(&self, head: &str, body: &str) -> &'static str {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let lines: Vec<(&str, &str)> =
            lines.filter(|(name, _)| name.starts_with("webhook-")).collect();
        let headers = lines
            .iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let verified = self.verifier.verify(body.as_bytes(), &headers.collect());
        let id = lines.iter().find(|(name, _)| *name == "webhook-id").map_or("", |(_, id)| id);
        self.with(|seen| {
            if let Err(error) = verified {
                seen.wrong.push(format!("{id} is not signed: {error}"));
                return "400 Bad Request";
            }
            let is_fifth = self.manner == Manner::Refuses && seen.messages.len().is_multiple_of(5);
            let message = seen
                .messages
                .entry(id.to_owned())
                .or_insert_with(|| Message { body: body.to_owned(), ..Message::default() });
            message.tries += 1;
            if message.body != body {
                seen.wrong.push(format!("{id} came with two bodies"));
            }
            if message.tries == 1 && is_fifth {
                return "500 Internal Server Error";
            }
            message.is_accepted = true;
            "204 No Content"
        })
    }
}

/// Takes a message off the front of what has come, if it is whole.
pub(crate) fn split(bytes: &mut Vec<u8>) -> Result<Option<(String, String)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        ensure!(bytes.len() < BYTES_MAX, "its head has no end");
        return Ok(None);
    };
    let head = String::from_utf8(bytes.get(..end).unwrap_or_default().to_vec())?;
    let Some((_, rest)) = head.split_once("content-length: ") else { bail!("it has no length") };
    let length: usize = rest.lines().next().unwrap_or_default().parse()?;
    ensure!(length < BYTES_MAX, "it is too long");
    let Some(body) = bytes.get(end + 4..end + 4 + length) else { return Ok(None) };
    let body = String::from_utf8(body.to_vec())?;
    bytes.drain(..end + 4 + length);
    Ok(Some((head, body)))
}

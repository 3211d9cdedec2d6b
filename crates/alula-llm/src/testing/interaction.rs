use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{EmbedProtocol, Protocol};

/// Where Vertex AI has a text to turn into a vector; other models have other inputs there.
const INSTANCE: &str = "/instances/0/content";

/// A recorded call and its answer.
///
/// ```
/// use alula_llm::testing::Cassettes;
///
/// # fn main() -> Result<(), alula_llm::testing::LoadError> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes");
/// let cassettes = Cassettes::load(folder)?;
/// let streams = cassettes.iter().filter(|call| call.is_stream() && call.status == 200);
/// for call in streams {
///     println!("{}: {} {}", call.file.display(), call.method, call.path);
///     assert!(call.protocol().is_some());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interaction {
    /// The file it is from.
    pub file: PathBuf,
    /// The method, in capitals.
    pub method: String,
    /// The host that was called.
    pub host: String,
    /// The path that was called.
    pub path: String,
    /// The query string, without its question mark.
    pub query: Option<String>,
    /// The headers of the request that say what it means, names in lower case.
    pub request_headers: Vec<(String, String)>,
    /// The JSON that was sent; null if it was none.
    pub request: Value,
    /// What was sent in place of JSON.
    pub request_bytes: Option<Bytes>,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of the answer.
    pub body: Bytes,
    /// How much of the body came when; empty where only the whole is known.
    pub arrivals: Vec<Arrival>,
    /// How the answer ended.
    pub end: End,
}

/// A piece of a body.
///
/// ```
/// use std::time::Duration;
///
/// use alula_llm::testing::{Arrival, Interaction};
///
/// let arrival = |millis, bytes| Arrival { after: Duration::from_millis(millis), bytes };
/// let recorded = Interaction {
///     body: "data: 1\n\ndata: 2\n\n".into(),
///     arrivals: vec![arrival(300, 9), arrival(450, 9)],
///     ..Interaction::default()
/// };
/// let (after, bytes) = &recorded.chunks()[0];
/// assert_eq!((after.as_millis(), &bytes[..]), (300, &b"data: 1\n\n"[..]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The time since the headers.
    pub after: Duration,
    /// How much it is, in bytes.
    pub bytes: usize,
}

/// How an answer ended.
///
/// ```
/// use alula_llm::testing::{Cassettes, End};
///
/// # fn main() -> Result<(), alula_llm::testing::LoadError> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes");
/// let cassettes = Cassettes::load(folder)?;
/// let broken = cassettes.iter().filter(|call| call.end != End::Eof);
/// assert_eq!(broken.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It was complete.
    #[default]
    Eof,
    /// The connection broke.
    Reset,
    /// Nothing more came, and the connection stayed open.
    Timeout,
}

impl Interaction {
    /// The wire format of the call, if it is one that this crate speaks.
    ///
    /// It goes by the path, which servers that are compatible keep the end of.
    pub fn protocol(&self) -> Option<Protocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/chat/completions") => Some(Protocol::OpenAiChat),
            path if path.ends_with("/v1/messages") => Some(Protocol::AnthropicMessages),
            path if path.ends_with("/responses") => Some(Protocol::OpenAiResponses),
            path if path.ends_with(":generateContent") => Some(Protocol::GeminiGenerate),
            path if path.ends_with(":streamGenerateContent") => Some(Protocol::GeminiGenerate),
            path if path.ends_with("/v2/chat") => Some(Protocol::CohereChat),
            _ => None,
        }
    }

    /// The wire format of a call for vectors, if it is one that this crate speaks.
    pub fn embed_protocol(&self) -> Option<EmbedProtocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/embeddings") => Some(EmbedProtocol::OpenAi),
            path if path.ends_with(":batchEmbedContents") => Some(EmbedProtocol::Gemini),
            path if path.ends_with(":embedContent") => Some(EmbedProtocol::Gemini),
            path if path.ends_with(":predict") && self.request.pointer(INSTANCE).is_some() => {
                Some(EmbedProtocol::Vertex)
            }
            path if path.ends_with("/v2/embed") => Some(EmbedProtocol::Cohere),
            _ => None,
        }
    }

    /// The wire format of a call that counts tokens, if it is one that this crate speaks.
    pub fn count_protocol(&self) -> Option<Protocol> {
        match &*self.path {
            _ if self.method != "POST" => None,
            path if path.ends_with("/v1/messages/count_tokens") => {
                Some(Protocol::AnthropicMessages)
            }
            path if path.ends_with("/responses/input_tokens") => Some(Protocol::OpenAiResponses),
            path if path.ends_with(":countTokens") => Some(Protocol::GeminiGenerate),
            _ => None,
        }
    }

    /// Whether it fetches an answer that OpenAI's responses have kept, perhaps as a stream that goes
    /// on where another one broke off.
    pub fn is_retrieval(&self) -> bool {
        let name = self.path.rsplit_once("/responses/").map(|(_, name)| name);
        self.method == "GET" && name.is_some_and(|name| name.starts_with("resp_"))
    }

    /// Whether the answer is a stream of server-sent events.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|it| it.starts_with("text/event-stream"))
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The headers of the answer without those that belong to the connection it came by.
    pub fn end_to_end_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        const OF_CONNECTION: [&str; 8] = [
            "alt-svc",
            "connection",
            "content-encoding",
            "content-length",
            "date",
            "keep-alive",
            "strict-transport-security",
            "transfer-encoding",
        ];
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        headers.filter(|(name, _)| !OF_CONNECTION.contains(name))
    }

    /// The body in the pieces it came in, each with the time since the headers.
    pub fn chunks(&self) -> Vec<(Duration, Bytes)> {
        let mut rest = self.body.clone();
        let mut chunks = Vec::with_capacity(self.arrivals.len() + 1);
        for arrival in &self.arrivals {
            let bytes = rest.split_to(arrival.bytes.min(rest.len()));
            chunks.push((arrival.after, bytes));
        }
        if !rest.is_empty() {
            chunks.push((chunks.last().map_or(Duration::ZERO, |(after, _)| *after), rest));
        }
        chunks
    }

    /// The call in a few words.
    pub(super) fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

//! What the mock, the gateways and the load agree on.

use std::time::{SystemTime, UNIX_EPOCH};

use alula_benches::http::post_json;
use memchr::memmem;
use serde_json::json;

/// The model that the mock has. A gateway that knows models by other names has to put it in.
pub(crate) const MODEL: &str = "gpt-4o-mini";

/// The key that the mock expects of a gateway.
pub(crate) const PROVIDER_KEY: &str = "sk-mock";

/// The key that a gateway expects of its clients, unless it makes its own.
pub(crate) const CLIENT_KEY: &str = "sk-bench";

/// The tokens of a stream.
pub(crate) const TOKENS: u32 = 20;

/// Milliseconds from one token of a stream to the next.
pub(crate) const TOKEN_GAP_MS: u64 = 250;

/// The text of an answer.
pub(crate) const ANSWER: &str = "A feather that keeps the wing from stalling.";

/// What is asked of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    Small,
    Large,
}

impl Prompt {
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Large];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "300 B",
            Self::Large => "32 KiB",
        }
    }

    /// Bytes of the request body, nearly.
    fn bytes(self) -> usize {
        match self {
            Self::Small => 300,
            Self::Large => 32 * 1024,
        }
    }

    fn text(self) -> String {
        let line = "She said \"keep the nose up\", and let the left wing drop a little.\n";
        line.chars().cycle().take(self.bytes().saturating_sub(170)).collect()
    }
}

/// How a gateway is asked.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) path: &'static str,
    pub(crate) model: &'static str,
    pub(crate) key: String,
    /// Headers that only this gateway needs.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client of OpenAI's.
    pub(crate) fn new(model: &'static str) -> Self {
        let key = CLIENT_KEY.to_owned();
        Self { path: "/v1/chat/completions", model, key, headers: Vec::new() }
    }

    /// The bytes of a request.
    pub(crate) fn request(&self, prompt: Prompt, is_stream: bool) -> Vec<u8> {
        let body = json!({
            "model": self.model,
            "messages": [
                { "role": "system", "content": "Answer in one sentence." },
                { "role": "user", "content": prompt.text() },
            ],
            "temperature": 0.2,
            "stream": is_stream,
        });
        let authorization = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        post_json(self.path, &headers, &body.to_string())
    }
}

/// Whether an answer holds the text and the usage of the mock's.
pub(crate) fn is_answer(body: &[u8]) -> bool {
    let holds = |part: &str| memmem::find(body, part.as_bytes()).is_some();
    holds(ANSWER) && holds("total_tokens")
}

/// Microseconds, on the clock that all processes share.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros().try_into().unwrap_or(u64::MAX)
}

/// The text of a token says when it was written.
pub(crate) fn token() -> String {
    format!("t={};", now_us())
}

/// When the tokens in these bytes were written, and where the bytes end that belong to whole ones.
pub(crate) fn tokens(bytes: &[u8], mut found: impl FnMut(u64)) -> usize {
    let mut done = 0;
    for at in memmem::find_iter(bytes, b"t=") {
        let rest = bytes.get(at + 2..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if rest.get(digits) != Some(&b';') {
            continue;
        }
        let text = rest.get(..digits).and_then(|digits| str::from_utf8(digits).ok());
        if let Some(time) = text.and_then(|text| text.parse().ok()) {
            found(time);
            done = at + 2 + digits + 1;
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_size_that_is_said() {
        for prompt in Prompt::ALL {
            let request = Client::new(MODEL).request(prompt, true);
            let head = memmem::find(&request, b"\r\n\r\n").unwrap() + 4;
            let bytes = request.len() - head;
            assert!(bytes.abs_diff(prompt.bytes()) < prompt.bytes() / 10, "{bytes}");
        }
    }

    #[test]
    fn tokens_say_when_they_were_written_and_a_cut_one_waits() {
        let before = now_us();
        let text = format!("{{\"content\":\"{}\"}} {{\"content\":\"{}\"}}", token(), token());
        let read = |text: &str| {
            let mut times = Vec::new();
            let done = tokens(text.as_bytes(), |time| times.push(time));
            (times, done)
        };
        let (times, done) = read(&text);
        assert!(times.len() == 2 && times.is_sorted() && times[0] >= before);
        assert_eq!(done, text.len() - 2);
        let (times, done) = read(&text[..text.len() - 3]);
        assert_eq!((times.len(), text.get(done..done + 2)), (1, Some("\"}")));
    }
}

//! One call, as the ledger keeps it.

use std::time::Duration;

use alula_llm::{CallRecord, Error, Outcome, Usage, model::Protocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// Names are cut here: a client may ask for a model of megabytes.
const NAME_CHARS_MAX: usize = 200;
/// No call has more tokens. A provider that says so is not believed, as sums have an end.
const TOKENS_MAX: u64 = 1_000_000_000_000;

/// A row of the table `usage`, whose columns have the names of these fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// A UUID of version 7: rows are ordered by the time of their end.
    pub(crate) id: Uuid,
    /// When the call ended, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) request_id: String,
    pub(crate) key_id: Option<String>,
    pub(crate) operation: String,
    pub(crate) streamed: i64,
    pub(crate) asked: String,
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) answered_by: Option<String>,
    pub(crate) service_tier: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) cached: i64,
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    /// Exactly, in millionths of a micro-dollar; `None` if nobody knows.
    pub(crate) cost_picos: Option<i64>,
    pub(crate) first_token_ms: Option<i64>,
    pub(crate) total_ms: i64,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    pub(crate) http_status: Option<i64>,
}

/// Tokens by kind, as far as the provider counted them. The others are parts of the first two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tokens {
    /// Tokens of the prompt.
    #[serde(rename = "input_tokens")]
    pub(crate) input: Option<i64>,
    /// Tokens of the answer.
    #[serde(rename = "output_tokens")]
    pub(crate) output: Option<i64>,
    /// Tokens of the prompt that came from a provider's cache.
    #[serde(rename = "cache_read_tokens")]
    pub(crate) cache_read: Option<i64>,
    /// Tokens of the prompt that were put into one.
    #[serde(rename = "cache_write_tokens")]
    pub(crate) cache_write: Option<i64>,
    /// Tokens of the answer that were reasoning.
    #[serde(rename = "reasoning_tokens")]
    pub(crate) reasoning: Option<i64>,
    /// Tokens of the prompt that were sound.
    #[serde(rename = "audio_input_tokens")]
    pub(crate) audio_input: Option<i64>,
    /// Tokens of the answer that were sound.
    #[serde(rename = "audio_output_tokens")]
    pub(crate) audio_output: Option<i64>,
}

/// The columns, in the order in which [`Row`] has them.
pub(crate) const COLUMNS: [&str; 26] = [
    "id",
    "at",
    "request_id",
    "key_id",
    "operation",
    "streamed",
    "asked",
    "provider",
    "model",
    "answered_by",
    "service_tier",
    "attempts",
    "cached",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "cost_picos",
    "first_token_ms",
    "total_ms",
    "status",
    "error",
    "http_status",
];

impl Row {
    /// The row of a call that has ended now, made for a request in the words of this protocol.
    pub(super) fn new(record: &CallRecord, request_id: &str, protocol: Option<Protocol>) -> Self {
        let at = Timestamp::now().as_millis();
        let (status, error) = match &record.outcome {
            Outcome::Answered => ("answered", None),
            Outcome::Failed(kind) => ("failed", Some(kind.name())),
            _ => ("abandoned", None),
        };
        Self {
            id: new_id(at),
            at,
            request_id: name(request_id),
            key_id: record.scope.as_deref().map(name),
            operation: record.operation.to_owned(),
            streamed: record.streamed.into(),
            asked: name(&record.asked),
            provider: record.provider.as_deref().map(name),
            model: record.model.as_deref().map(name),
            answered_by: record.answered_by.as_deref().map(name),
            service_tier: record.service_tier.as_deref().map(name),
            attempts: record.attempts.into(),
            cached: record.is_cached.into(),
            tokens: record.usage.as_ref().map(Tokens::of).unwrap_or_default(),
            cost_picos: cost_picos(record),
            first_token_ms: record.first_token.map(milliseconds),
            total_ms: milliseconds(record.total),
            status: status.to_owned(),
            error: error.map(str::to_owned),
            http_status: http_status(record, protocol),
        }
    }
}

impl Tokens {
    fn of(usage: &Usage) -> Self {
        Self {
            input: Some(tokens(usage.input)),
            output: Some(tokens(usage.output)),
            cache_read: usage.cache_read.map(tokens),
            cache_write: usage.cache_write.map(tokens),
            reasoning: usage.reasoning.map(tokens),
            audio_input: usage.audio_input.map(tokens),
            audio_output: usage.audio_output.map(tokens),
        }
    }
}

/// What it cost. Where nobody was asked that is known: nothing.
fn cost_picos(record: &CallRecord) -> Option<i64> {
    match &record.cost {
        Some(cost) => Some(whole(cost.picos())),
        None => (record.attempts == 0).then_some(0),
    }
}

/// The status of the answer: that of a stream is sent with its first content.
fn http_status(record: &CallRecord, protocol: Option<Protocol>) -> Option<i64> {
    match &record.outcome {
        Outcome::Answered => Some(200),
        _ if record.first_token.is_some() => Some(200),
        Outcome::Failed(kind) => {
            let error = Error::new(kind.clone(), "");
            let error = match record.provider.as_deref().filter(|_| record.attempts > 0) {
                Some(provider) => error.with_provider(provider),
                None => error,
            };
            let status = match protocol {
                Some(protocol) => protocol.error_to_json(&error).0,
                None => error.public_status(),
            };
            Some(status.into())
        }
        _ => None,
    }
}

fn new_id(at: i64) -> Uuid {
    let milliseconds = u64::try_from(at).unwrap_or_default();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

/// A text that a database takes: not too long, and without what Postgres refuses.
fn name(text: &str) -> String {
    if text.len() <= NAME_CHARS_MAX && !text.contains('\0') {
        return text.to_owned();
    }
    let chars = text.chars().take(NAME_CHARS_MAX);
    chars.map(|char| if char == '\0' { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn tokens(count: u64) -> i64 {
    whole(count.min(TOKENS_MAX))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use alula_llm::{CachePolicy, ChatRequest, Demo, Llm, testing::FakeProvider};

    use super::*;

    /// A row of a call that ended then.
    pub(crate) fn row_at(at: i64) -> Row {
        Row {
            id: new_id(at),
            at,
            request_id: "r".to_owned(),
            key_id: None,
            operation: "chat".to_owned(),
            streamed: 0,
            asked: "m".to_owned(),
            provider: Some("openai".to_owned()),
            model: Some("m".to_owned()),
            answered_by: None,
            service_tier: None,
            attempts: 1,
            cached: 0,
            tokens: Tokens { input: Some(3), output: Some(2), ..Tokens::default() },
            cost_picos: Some(1_500_000),
            first_token_ms: None,
            total_ms: 7,
            status: "answered".to_owned(),
            error: None,
            http_status: Some(200),
        }
    }

    #[test]
    fn a_row_has_the_columns() {
        let row = serde_json::to_value(row_at(1)).unwrap();
        let fields: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, COLUMNS);
    }

    #[test]
    fn ids_are_ordered_by_time() {
        let ids: Vec<String> = (1..100).map(|at| new_id(at).to_string()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.as_bytes()[14] == b'7'), "{ids:?}");
    }

    #[test]
    fn names_have_an_end() {
        assert_eq!(name("gpt\0"), "gpt\u{fffd}");
        assert_eq!(name(&"é".repeat(1_000_000)).chars().count(), NAME_CHARS_MAX);
        assert_eq!(tokens(u64::MAX), 1_000_000_000_000);
    }

    /// The row of a call to this model.
    async fn row_of(llm: &Llm, model: &str, protocol: Option<Protocol>) -> Row {
        let row = std::sync::Arc::new(std::sync::OnceLock::new());
        let told = row.clone();
        let llm = llm.observed(move |record| _ = told.set(Row::new(record, "r", protocol)));
        let _ = llm.chat(ChatRequest::new(model).user("Hi")).await;
        row.get().cloned().unwrap()
    }

    #[tokio::test]
    async fn what_is_not_known_is_not_there() {
        let fake = FakeProvider::start().await;
        let builder = Llm::builder().provider(fake.openai()).provider(Demo::new());
        let llm = builder.cache(CachePolicy::default().unscoped(true)).build().unwrap();
        fake.turn().says("a").usage(1_000, 100);
        let known = row_of(&llm, "openai/gpt-4o-mini", None).await;
        assert_eq!(known.cost_picos, Some(210_000_000));
        assert_eq!((known.http_status, &*known.status), (Some(200), "answered"));
        // The answer of before costs nothing.
        let cached = row_of(&llm, "openai/gpt-4o-mini", None).await;
        assert_eq!((cached.cached, cached.cost_picos), (1, Some(0)));
        assert_eq!(cached.tokens, Tokens::default());
        fake.turn().says("a").usage(1_000, 100);
        let unknown = row_of(&llm, "openai/nobody-knows", None).await;
        assert_eq!((unknown.cost_picos, unknown.tokens.input), (None, Some(1_000)));
        // Nobody is asked, which costs nothing.
        let nobody = row_of(&llm, "elsewhere/m", None).await;
        assert_eq!((nobody.cost_picos, nobody.tokens), (Some(0), Tokens::default()));
        assert_eq!((nobody.error.as_deref(), nobody.http_status), (Some("not_found"), Some(404)));
    }
}

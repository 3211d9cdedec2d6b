//! What is left, in headers: as the drafts of HTTP have it, and as the clients of OpenAI and of
//! Anthropic read it.

use std::time::Duration;

use alula::http::{HeaderName, HeaderValue};
use alula_llm::{QuotaLevel, model::Protocol};

use crate::time::Timestamp;

/// A limit of requests or of tokens, and what is left of it.
#[derive(Debug, Clone, Copy)]
struct Left {
    what: &'static What,
    max: u64,
    left: u64,
}

/// What is limited: the headers that say how much there is, how much is left, and when there is all
/// of it again.
#[derive(Debug)]
struct What {
    openai: [HeaderName; 3],
    anthropic: [HeaderName; 3],
}

static ANYBODY: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

static REQUESTS: What = What {
    openai: [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ],
    anthropic: [
        HeaderName::from_static("anthropic-ratelimit-requests-limit"),
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ],
};

static TOKENS: What = What {
    openai: [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ],
    anthropic: [
        HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
};

/// The headers that tell a client of this protocol what is left.
///
/// `RateLimit-*` are about whichever of requests and tokens is nearer to its end.
pub(crate) fn headers(
    level: &QuotaLevel,
    protocol: Option<Protocol>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let requests = level.requests_max().zip(level.requests_left());
    let tokens = level.tokens_max().zip(level.tokens_left());
    let left = |what, it: Option<(u64, u64)>| it.map(|(max, left)| Left { what, max, left });
    let all = [left(&REQUESTS, requests), left(&TOKENS, tokens)];
    let nearest = all.iter().flatten().copied().min_by_key(Left::thousandths);
    let is_anthropic = protocol == Some(Protocol::AnthropicMessages);
    let more_after = HeaderValue::from(seconds(level.more_after()));
    let all_after =
        if is_anthropic { moment(level.all_after()) } else { duration(level.all_after()) };
    let own = all.into_iter().flatten().flat_map(move |it| {
        let names = if is_anthropic { &it.what.anthropic } else { &it.what.openai };
        it.named(names, all_after.clone())
    });
    nearest.into_iter().flat_map(move |it| it.named(&ANYBODY, more_after.clone())).chain(own)
}

impl Left {
    fn thousandths(&self) -> u128 {
        u128::from(self.left) * 1_000 / u128::from(self.max.max(1))
    }

    fn named(self, names: &[HeaderName; 3], reset: HeaderValue) -> [(HeaderName, HeaderValue); 3] {
        let [limit, remaining, when] = names.clone();
        [(limit, self.max.into()), (remaining, self.left.into()), (when, reset)]
    }
}

/// As OpenAI says it: `59s`.
fn duration(wait: Duration) -> HeaderValue {
    text(format!("{}s", seconds(wait)))
}

/// As Anthropic says it: the moment when it is over.
fn moment(wait: Duration) -> HeaderValue {
    let millis = i64::try_from(seconds(wait).saturating_mul(1_000)).unwrap_or(i64::MAX);
    let at = Timestamp::now().as_millis().saturating_add(millis);
    text(Timestamp::from_millis(at).to_string())
}

/// Of what is ASCII already.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Seconds, rounded up.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use alula_llm::{Quota, RateLimit};

    use super::*;

    async fn shown(limit: RateLimit, protocol: Option<Protocol>) -> Vec<(String, String)> {
        let turn = Quota::new(limit).take(600).await.unwrap();
        let shown = headers(&turn.level(), protocol);
        shown.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[tokio::test]
    async fn what_is_nearer_to_its_end_is_told_to_anybody() {
        let find = |headers: &[(String, String)], name: &str| {
            headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone())
        };
        let both = RateLimit::default().requests(10).tokens(1_000);
        let headers = shown(both, None).await;
        assert_eq!(headers.len(), 9);
        for (name, value) in [
            ("ratelimit-limit", "1000"),
            ("ratelimit-remaining", "400"),
            ("x-ratelimit-limit-requests", "10"),
            ("x-ratelimit-remaining-requests", "9"),
            ("x-ratelimit-remaining-tokens", "400"),
        ] {
            assert_eq!(find(&headers, name).as_deref(), Some(value), "{name}");
        }
        let reset: u64 = find(&headers, "ratelimit-reset").unwrap().parse().unwrap();
        assert!((60..=61).contains(&reset), "{reset}");
        assert!(find(&headers, "x-ratelimit-reset-tokens").unwrap().ends_with('s'));
        let headers = shown(both, Some(Protocol::AnthropicMessages)).await;
        let moment = find(&headers, "anthropic-ratelimit-tokens-reset").unwrap();
        assert!(moment.parse::<jiff::Timestamp>().is_ok(), "{moment}");
        assert_eq!(find(&headers, "anthropic-ratelimit-requests-remaining").unwrap(), "9");
        assert_eq!(shown(RateLimit::default().requests(3), None).await.len(), 6);
    }
}

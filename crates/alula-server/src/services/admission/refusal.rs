//! What a client is told whose key has nothing left.

use alula::{
    ApiError as _, HttpError,
    http::{HeaderName, HeaderValue},
};
use alula_llm::{Error, ErrorKind, MicroUsd, QuotaExceeded, model::Protocol};

use super::{CONTEXT_LENGTH_EXCEEDED, INSUFFICIENT_QUOTA};
use crate::{
    db::Spend,
    services::{
        budgets::{self, Span},
        keys::{Budget, Key},
        limits::{self, headers},
        metrics::{Exhausted, count_refusal},
    },
    time::Timestamp,
};

/// When to try again for a stream: one may end at any time.
const STREAM_RETRY_SECONDS: u64 = 1;
/// When to try again for money that is only set aside: what no call uses is given back by then.
const RESERVED_RETRY_SECONDS: u64 = 3;

/// Why a call is not let in.
#[derive(Debug)]
pub(super) enum Refusal {
    Limit(limits::Refused),
    Budget(budgets::Refused),
}

impl Refusal {
    /// What was exhausted, in the metrics.
    fn exhausted(&self) -> Exhausted {
        match self {
            Self::Limit(limits::Refused::Rate(_)) => Exhausted::Rate,
            Self::Limit(limits::Refused::Streams(_)) => Exhausted::Streams,
            Self::Budget(budgets::Refused::Exhausted { .. }) => Exhausted::Budget,
            Self::Budget(budgets::Refused::UnknownPrice(_)) => Exhausted::UnknownPrice,
            Self::Budget(budgets::Refused::Away(_)) => Exhausted::DatabaseAway,
        }
    }

    /// The answer to a client of this protocol.
    pub(super) fn into_http(self, key: &Key, protocol: Option<Protocol>) -> HttpError {
        count_refusal(self.exhausted());
        match self {
            Self::Limit(limits::Refused::Rate(exceeded)) => rate(&exceeded, key, protocol),
            Self::Limit(limits::Refused::Streams(max)) => streams(max, key),
            Self::Budget(budgets::Refused::Exhausted { most, budget, spend }) => {
                exhausted(most, budget, spend, protocol)
            }
            Self::Budget(budgets::Refused::UnknownPrice(target)) => unknown_price(&target),
            Self::Budget(budgets::Refused::Away(error)) => error.into_http(),
        }
    }
}

fn rate(exceeded: &QuotaExceeded, key: &Key, protocol: Option<Protocol>) -> HttpError {
    let (plan, level) = (&key.plan.name, &exceeded.level);
    let error = match exceeded.retry_after {
        None => {
            let max = level.tokens_max().unwrap_or_default();
            let message = format!(
                "the prompt has more tokens than the plan {plan:?} of the key allows in a minute, \
                 which are {max}"
            );
            // Other processes may have taken more than the level says.
            return HttpError::new(400, message).code(CONTEXT_LENGTH_EXCEEDED);
        }
        Some(wait) => {
            let seconds = limits::seconds(wait).max(1);
            let (max, what) = match (level.requests_left(), level.tokens_max()) {
                (Some(0), _) | (_, None) => (level.requests_max(), "requests"),
                (_, tokens) => (tokens, "tokens"),
            };
            let message = format!(
                "the plan {plan:?} of the key allows {} {what} a minute; try again in {seconds} s",
                max.unwrap_or_default()
            );
            limited(message, seconds)
        }
    };
    headers(level, protocol).fold(error, |error, (name, value)| error.header(name, value))
}

fn streams(max: usize, key: &Key) -> HttpError {
    let plan = &key.plan.name;
    let message = format!("the plan {plan:?} of the key allows {max} streams at a time");
    limited(message, STREAM_RETRY_SECONDS)
}

fn limited(message: String, seconds: u64) -> HttpError {
    HttpError::too_many_requests(message, seconds).code("rate_limit_exceeded")
}

/// OpenAI's clients know it as 429 with `insufficient_quota`, those of Anthropic as 402.
fn exhausted(
    most: MicroUsd,
    budget: Budget,
    spend: Spend,
    protocol: Option<Protocol>,
) -> HttpError {
    let money = |micros: i64| MicroUsd::new(u64::try_from(micros).unwrap_or_default());
    let message = format!(
        "the call may cost {most}, and the budget of the key is {} ({}), of which {} are spent and {} \
         set aside for other calls",
        MicroUsd::new(budget.micro_usd),
        match budget.period.as_str() {
            "total" => "in total".to_owned(),
            period => format!("a {period}"),
        },
        money(spend.spent),
        money(spend.reserved),
    );
    let error = Error::new(ErrorKind::QuotaExceeded, "");
    let status = match protocol {
        Some(protocol) => protocol.error_to_json(&error).0,
        None => error.public_status(),
    };
    let http = HttpError::new(status, message).code(INSUFFICIENT_QUOTA);
    let needed = u64::try_from(spend.spent).unwrap_or_default().saturating_add(most.get());
    if needed <= budget.micro_usd {
        return http.retry_after(RESERVED_RETRY_SECONDS);
    }
    // Clients of OpenAI and of Anthropic try such a status again unless they read this.
    let stay_away = (HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    let http = http.header(stay_away.0, stay_away.1);
    let now = Timestamp::now();
    match Span::of(budget.period, now).seconds_left(now) {
        Some(seconds) => http.retry_after(seconds.max(1)),
        None => http,
    }
}

fn unknown_price(target: &str) -> HttpError {
    let message = format!(
        "the price of {target} is not known, so a key with a budget cannot ask for it: the operator \
         sets it under [[prices]] in alula.toml, or ALULA_UNKNOWN_PRICES=allow"
    );
    HttpError::new(403, message).code("unknown_price")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::keys::Period;

    /// Money that is only set aside comes back; what is spent does not.
    #[test]
    fn who_waits_for_others_is_told_to_come_back() {
        let told = |period, spent, reserved, protocol| {
            let budget = Budget { micro_usd: 100, period };
            let error = exhausted(MicroUsd::new(40), budget, Spend { spent, reserved }, protocol);
            let header = |name: &str| {
                let found = error.headers().find(|(header, _)| *header == name);
                found.map(|(_, value)| value.to_str().unwrap().to_owned())
            };
            (header("retry-after"), header("x-should-retry"))
        };
        let soon = (Some("3".to_owned()), None);
        for protocol in [None, Some(Protocol::OpenAiChat), Some(Protocol::AnthropicMessages)] {
            assert_eq!(told(Period::Total, 60, 1, protocol), soon);
            assert_eq!(told(Period::Day, 0, 100, protocol), soon);
            let never = (None, Some("false".to_owned()));
            assert_eq!(told(Period::Total, 61, 0, protocol), never);
            let (tomorrow, stay_away) = told(Period::Day, 61, 39, protocol);
            assert!(tomorrow.is_some() && stay_away == never.1);
        }
    }
}

//! What the ledger says, in the words of a report.

use std::fmt;

use alula::{ApiError, HttpError, Operation, Validate};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    row::{Row, Tokens},
    time::{self, DAY},
};
use crate::{
    db::{
        Db, DbError,
        usage::{Call, Filter, Group, Line, Status, Sums},
    },
    time::Timestamp,
};

/// Days of a report that says nothing of them.
const DAYS: i64 = 30;
const PICOS_PER_MICRO: i128 = 1_000_000;
const PICOS_PER_DOLLAR: i128 = 1_000_000_000_000;

/// The calls that a report is about.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Validate)]
pub(crate) struct Wanted {
    /// The first day, as `2026-11-01`, or a time, as `2026-11-01T12:00:00Z`; in UTC, like all
    /// times here. 30 days ago if absent.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// The last day, or the time at which to end; now if absent.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// Only calls of the key with this id; empty for calls without one.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// Only calls of this model, in the words of its provider.
    #[serde(default)]
    pub(crate) model: Option<String>,
    /// Only calls that this provider answered; empty for calls that reached none.
    #[serde(default)]
    pub(crate) provider: Option<String>,
    /// Only calls that ended like this.
    #[serde(default)]
    pub(crate) status: Option<Status>,
}

/// What is wrong with what was asked for. It is no [`std::error::Error`], as each of those is an
/// internal error for a client.
#[derive(Debug)]
pub(crate) enum Mistake {
    /// Neither a day nor a time.
    Time { name: &'static str, text: String },
    /// Nothing to add up by.
    Group(String),
    /// No cursor of this report.
    Cursor,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { name, text } => write!(
                f,
                "{name}: {text:?} is neither a day such as 2026-11-26 nor a time such as \
                 2026-11-26T15:00:00Z"
            ),
            Self::Group(name) => write!(
                f,
                "{name:?} is nothing to add up by; there are day, key, model, provider, operation \
                 and status"
            ),
            Self::Cursor => f.write_str("the cursor is not one of this report"),
        }
    }
}

impl From<Mistake> for HttpError {
    fn from(mistake: Mistake) -> Self {
        Self::new(422, mistake.to_string())
    }
}

impl ApiError for Mistake {
    fn into_http(self) -> HttpError {
        self.into()
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.error(&Self::Cursor.into(), "It asks for a report that cannot be.");
    }
}

impl Wanted {
    /// The same for the database.
    pub(crate) fn filter(self, now: Timestamp) -> Result<Filter, Mistake> {
        let read = |name, text: Option<String>| match text {
            Some(text) => match time::parse(&text) {
                Some(found) => Ok(Some(found)),
                None => Err(Mistake::Time { name, text }),
            },
            None => Ok(None),
        };
        let from = read("from", self.from)?.map(|(at, _)| at);
        let to = read("to", self.to)?.map(|(at, is_day)| if is_day { at + DAY } else { at });
        let to = to.unwrap_or(now.as_millis() + 1);
        // With whole days, so that the first is not a part of one.
        let from = from.unwrap_or(((to - 1).div_euclid(DAY) - DAYS + 1) * DAY);
        let Self { key, model, provider, status, .. } = self;
        Ok(Filter { from, to, key, model, provider, status })
    }
}

/// Reads `day,key`.
pub(crate) fn groups(text: &str) -> Result<Vec<Group>, Mistake> {
    let mut groups = Vec::new();
    for name in text.split(',').map(str::trim) {
        let group = Group::ALL.into_iter().find(|group| group.as_str() == name);
        let group = group.ok_or_else(|| Mistake::Group(name.to_owned()))?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// A part of a list, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The sums by groups, from a cursor on.
pub(crate) async fn lines(
    db: &Db,
    groups: &[Group],
    filter: &Filter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Part<UsageLine>, HttpError> {
    let after = cursor.map(|cursor| read_cursor(cursor, groups.len())).transpose()?;
    let found = db.usage_by(groups, filter, after.as_deref(), limit.saturating_add(1)).await;
    let (found, last) = first_of(found.map_err(db_error)?, limit);
    let next = last.map(|line| write_cursor(&line.groups));
    let items = found.into_iter().map(|line| UsageLine::new(groups, line)).collect();
    Ok(Part { items, next })
}

/// Single calls, newest first, from a cursor on.
pub(crate) async fn calls(
    db: &Db,
    filter: &Filter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Part<UsageCall>, HttpError> {
    if cursor.is_some_and(|cursor| cursor.parse::<uuid::Uuid>().is_err()) {
        return Err(Mistake::Cursor.into());
    }
    let found = db.usage_calls(filter, cursor, limit.saturating_add(1)).await;
    let (found, last) = first_of(found.map_err(db_error)?, limit);
    let next = last.map(|call| call.row.id.to_string());
    Ok(Part { items: found.into_iter().map(UsageCall::new).collect(), next })
}

/// Everything added up.
pub(crate) async fn total(db: &Db, filter: &Filter) -> Result<UsageSums, HttpError> {
    Ok(UsageSums::new(&db.usage_total(filter).await.map_err(db_error)?))
}

fn db_error(error: DbError) -> HttpError {
    error.into_http()
}

/// So many of the items, and the last of these if there are more.
fn first_of<T: Clone>(mut items: Vec<T>, limit: u32) -> (Vec<T>, Option<T>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let are_more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| are_more).cloned();
    (items, last)
}

fn write_cursor(groups: &[String]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(groups).to_string())
}

fn read_cursor(cursor: &str, groups: usize) -> Result<Vec<String>, Mistake> {
    let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Mistake::Cursor)?;
    let values: Vec<String> = serde_json::from_slice(&json).map_err(|_| Mistake::Cursor)?;
    if values.len() == groups { Ok(values) } else { Err(Mistake::Cursor) }
}

/// Calls that have something in common, added up.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct UsageLine {
    /// The day in which the calls ended, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<String>,
    /// The id of their key; empty if they needed none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The name of this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_name: Option<String>,
    /// The model, in the words of its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The provider; empty if none was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// What was done: `chat` or `embeddings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    /// How the calls ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    #[serde(flatten)]
    pub(crate) sums: UsageSums,
}

/// What calls come to.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct UsageSums {
    /// All calls.
    pub(crate) calls: i64,
    /// Those that failed.
    pub(crate) failed_calls: i64,
    /// Those whose client left before their end.
    pub(crate) abandoned_calls: i64,
    /// Those that were answered from the cache, which cost nothing.
    pub(crate) cached_calls: i64,
    /// Those of which nobody knows what they cost. They are in no cost below.
    pub(crate) calls_without_cost: i64,
    /// Tokens of prompts.
    pub(crate) input_tokens: i64,
    /// Tokens of answers.
    pub(crate) output_tokens: i64,
    /// Tokens of prompts that came from a provider's cache.
    pub(crate) cache_read_tokens: i64,
    /// Tokens of prompts that were put into one.
    pub(crate) cache_write_tokens: i64,
    /// Tokens of answers that were reasoning.
    pub(crate) reasoning_tokens: i64,
    /// Tokens of prompts that were sound.
    pub(crate) audio_input_tokens: i64,
    /// Tokens of answers that were sound.
    pub(crate) audio_output_tokens: i64,
    /// The cost in millionths of a dollar, rounded up; `null` if nobody knows it of any call.
    pub(crate) cost_micro_usd: Option<i64>,
    /// The cost in dollars, exactly.
    pub(crate) cost_usd: Option<String>,
}

impl UsageLine {
    fn new(groups: &[Group], line: Line) -> Self {
        let mut new = Self { sums: UsageSums::new(&line.sums), ..Self::default() };
        for (group, value) in groups.iter().zip(line.groups) {
            let place = match group {
                Group::Day => {
                    new.day = value.parse().ok().map(time::day_text);
                    continue;
                }
                Group::Key => {
                    new.key_name = Some(line.key_name.clone().unwrap_or_default());
                    &mut new.key
                }
                Group::Model => &mut new.model,
                Group::Provider => &mut new.provider,
                Group::Operation => &mut new.operation,
                Group::Status => &mut new.status,
            };
            *place = Some(value);
        }
        new
    }

    /// A line with nothing in it, for the names of its fields.
    pub(crate) fn empty(groups: &[Group]) -> Self {
        let groups_of_line = groups.iter().map(|_| "0".to_owned()).collect();
        Self::new(groups, Line { groups: groups_of_line, key_name: None, sums: Sums::default() })
    }
}

impl UsageSums {
    fn new(sums: &Sums) -> Self {
        let is_known = sums.calls == 0 || sums.without_cost < sums.calls;
        let picos = is_known.then_some(sums.picos);
        Self {
            calls: sums.calls,
            failed_calls: sums.failed,
            abandoned_calls: sums.abandoned,
            cached_calls: sums.cached,
            calls_without_cost: sums.without_cost,
            input_tokens: sums.input,
            output_tokens: sums.output,
            cache_read_tokens: sums.cache_read,
            cache_write_tokens: sums.cache_write,
            reasoning_tokens: sums.reasoning,
            audio_input_tokens: sums.audio_input,
            audio_output_tokens: sums.audio_output,
            cost_micro_usd: picos.map(micros),
            cost_usd: picos.map(dollars),
        }
    }
}

/// One call.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UsageCall {
    /// The id of the row.
    id: String,
    /// When the call ended.
    at: Timestamp,
    /// The request that the call was made for; one of a batch made several.
    request_id: String,
    /// The id of the key; empty if none was needed.
    key: String,
    /// The name of this key.
    key_name: String,
    /// What was done: `chat` or `embeddings`.
    operation: String,
    /// Whether a stream was asked for.
    streamed: bool,
    /// The model as the client named it; empty for the default one.
    asked: String,
    /// The provider that answered, or was asked last.
    provider: Option<String>,
    /// The model, in the words of its provider.
    model: Option<String>,
    /// The model in the words of the answer.
    answered_by: Option<String>,
    /// The service tier that answered.
    service_tier: Option<String>,
    /// How often a provider was asked.
    attempts: i64,
    /// Whether the answer was kept from an earlier call.
    cached: bool,
    #[serde(flatten)]
    tokens: Tokens,
    /// The cost in millionths of a dollar, rounded up; `null` if nobody knows it.
    cost_micro_usd: Option<i64>,
    /// The cost in dollars, exactly.
    cost_usd: Option<String>,
    /// Milliseconds to the first content of a stream.
    first_token_ms: Option<i64>,
    /// Milliseconds to the end.
    total_ms: i64,
    /// `answered`, `failed` or `abandoned`.
    status: String,
    /// The kind of failure.
    error: Option<String>,
    /// The status that the client got; `null` if it left before.
    http_status: Option<i64>,
}

impl UsageCall {
    /// Some call, for the names of its fields.
    pub(crate) fn example() -> Self {
        Self::new(Call { row: Row::default(), key_name: None })
    }

    fn new(Call { row, key_name }: Call) -> Self {
        let picos = row.cost_picos.map(i128::from);
        Self {
            id: row.id.to_string(),
            at: Timestamp::from_millis(row.at),
            request_id: row.request_id,
            key: row.key_id.unwrap_or_default(),
            key_name: key_name.unwrap_or_default(),
            operation: row.operation,
            streamed: row.streamed != 0,
            asked: row.asked,
            provider: row.provider,
            model: row.model,
            answered_by: row.answered_by,
            service_tier: row.service_tier,
            attempts: row.attempts,
            cached: row.cached != 0,
            tokens: row.tokens,
            cost_micro_usd: picos.map(micros),
            cost_usd: picos.map(dollars),
            first_token_ms: row.first_token_ms,
            total_ms: row.total_ms,
            status: row.status,
            error: row.error,
            http_status: row.http_status,
        }
    }
}

fn micros(picos: i128) -> i64 {
    let up = picos + PICOS_PER_MICRO - 1;
    i64::try_from(up / PICOS_PER_MICRO).unwrap_or(i64::MAX)
}

fn dollars(picos: i128) -> String {
    let text = format!("{}.{:012}", picos / PICOS_PER_DOLLAR, picos % PICOS_PER_DOLLAR);
    // At least cents.
    let end = text.trim_end_matches('0').len().max(text.len() - 10);
    text.get(..end).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Mistake> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let wanted = Wanted { from: text(from), to: text(to), ..Wanted::default() };
        let filter = wanted.filter(Timestamp::from_millis(20_783 * DAY + 5))?;
        let text = |at| Timestamp::from_millis(at).to_string();
        Ok((text(filter.from), text(filter.to)))
    }

    #[test]
    fn a_report_is_of_whole_days_unless_a_time_is_named() {
        let is = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(
            filter(Some("2026-11-01"), Some("2026-11-02")).unwrap(),
            is("2026-11-01T00:00:00.000Z", "2026-11-03T00:00:00.000Z")
        );
        assert_eq!(
            filter(Some("2026-11-01T10:00:00Z"), Some("2026-11-01T11:00:00Z")).unwrap(),
            is("2026-11-01T10:00:00.000Z", "2026-11-01T11:00:00.000Z")
        );
        // Thirty days, of which today is the last.
        assert_eq!(
            filter(None, None).unwrap(),
            is("2026-10-28T00:00:00.000Z", "2026-11-26T00:00:00.006Z")
        );
        let mistake = filter(None, Some("tomorrow")).unwrap_err().to_string();
        assert!(mistake.starts_with("to: \"tomorrow\" is neither"), "{mistake}");
    }

    #[test]
    fn groups_have_names() {
        assert_eq!(groups("day, key,day").unwrap(), [Group::Day, Group::Key]);
        assert!(groups("week").unwrap_err().to_string().starts_with("\"week\" is nothing"));
        assert!(groups("").is_err());
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_is_no_other_text() {
        let values = ["20783".to_owned(), "é\"".to_owned()];
        let cursor = write_cursor(&values);
        assert_eq!(read_cursor(&cursor, 2).unwrap(), values);
        for (wrong, groups) in [(&*cursor, 1), ("", 1), ("e30", 0), ("W10", 1), ("é", 1)] {
            assert!(read_cursor(wrong, groups).is_err(), "{wrong}");
        }
    }

    #[test]
    fn money_is_exact_in_dollars_and_rounded_up_in_micro_dollars() {
        let shown = |picos| (micros(picos), dollars(picos));
        assert_eq!(shown(0), (0, "0.00".to_owned()));
        assert_eq!(shown(200_000), (1, "0.0000002".to_owned()));
        assert_eq!(shown(210_000_000), (210, "0.00021".to_owned()));
        assert_eq!(shown(1_500_000_000_000), (1_500_000, "1.50".to_owned()));
    }

    #[test]
    fn a_cost_that_nobody_knows_is_not_nothing() {
        let sums = Sums { calls: 2, without_cost: 2, ..Sums::default() };
        assert_eq!(UsageSums::new(&sums).cost_micro_usd, None);
        let sums = Sums { calls: 2, without_cost: 1, picos: 1, ..Sums::default() };
        assert_eq!(UsageSums::new(&sums).cost_micro_usd, Some(1));
        assert_eq!(UsageSums::new(&Sums::default()).cost_micro_usd, Some(0));
    }
}

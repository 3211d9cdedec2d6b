//! What calls have used and cost.

use alula::{Route, prelude::*};
use futures_util::stream;

use crate::{
    db::{
        Db,
        usage::{Filter, Group},
    },
    services::usage::{
        csv,
        report::{self, Mistake, Part, UsageCall, UsageLine, UsageSums, Wanted},
    },
    time::Timestamp,
};

/// How many lines there are if nobody says, and at most.
const LINES: u32 = 1_000;
const LINES_MAX: u32 = 10_000;
/// The same for calls.
const CALLS: u32 = 100;
const CALLS_MAX: u32 = 1_000;

/// The routes of this module.
pub(super) fn routes() -> Vec<Route> {
    let routes = routes![usage, usage_calls].into_iter();
    routes.map(|route| route.responses::<Mistake>()).collect()
}

/// How calls are added up.
#[derive(Deserialize, JsonSchema, Validate)]
struct UsageBy {
    /// What they are added up by, with commas between: `day`, `key`, `model`, `provider`,
    /// `operation`, `status`.
    #[serde(default = "day")]
    group_by: String,
    /// How many lines, at most.
    #[serde(default = "lines")]
    #[schemars(range(min = 1, max = LINES_MAX))]
    limit: u32,
}

fn day() -> String {
    Group::Day.as_str().to_owned()
}

fn lines() -> u32 {
    LINES
}

/// A part of a list.
#[derive(Deserialize, JsonSchema, Validate)]
struct CallPage {
    /// How many calls, at most.
    #[serde(default = "calls")]
    #[schemars(range(min = 1, max = CALLS_MAX))]
    limit: u32,
}

fn calls() -> u32 {
    CALLS
}

/// Where a list goes on, and what it is written in.
#[derive(Deserialize, JsonSchema, Validate)]
struct Paging {
    /// The `next_cursor` of the page before. CSV is always whole.
    #[serde(default)]
    cursor: Option<String>,
    /// `json` or `csv`; by the header `Accept` if absent.
    #[serde(default)]
    format: Option<Format>,
}

/// What an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

/// What a client can read.
#[derive(Deserialize, JsonSchema, Validate)]
struct Accept {
    /// `text/csv` for a spreadsheet.
    #[serde(default)]
    accept: Option<String>,
}

impl Paging {
    fn is_csv(&self, accept: &Accept) -> bool {
        let wants_csv = || accept.accept.as_deref().is_some_and(|it| it.contains("text/csv"));
        self.format.map_or_else(wants_csv, |format| format == Format::Csv)
    }
}

/// What calls have used, added up.
#[derive(Serialize, JsonSchema)]
struct UsageReport {
    /// The beginning of the report.
    from: Timestamp,
    /// Its end, which is not part of it.
    to: Timestamp,
    /// `UTC`, which days and times are in.
    time_zone: &'static str,
    /// The sums, in the order of what they are by.
    data: Vec<UsageLine>,
    /// All of it added up; on the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<UsageSums>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// Single calls.
#[derive(Serialize, JsonSchema)]
struct UsageCalls {
    /// The beginning of the list.
    from: Timestamp,
    /// Its end, which is not part of it.
    to: Timestamp,
    /// `UTC`, which times are in.
    time_zone: &'static str,
    /// The calls, newest first.
    data: Vec<UsageCall>,
    /// The `cursor` of the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// See what calls have used and cost, added up.
///
/// A call is in the report a moment after it has ended. Calls of which nobody knows the cost are
/// counted by `calls_without_cost`, and are in no cost.
#[get("/usage")]
async fn usage(
    db: State<Db>,
    Query(wanted): Query<Wanted>,
    Query(by): Query<UsageBy>,
    Query(from): Query<Paging>,
    Header(accept): Header<Accept>,
) -> Result<Either<Json<UsageReport>, ByteStream<impl Stream<Item = Result<String>>>>> {
    let groups = report::groups(&by.group_by)?;
    let filter = wanted.filter(Timestamp::now())?;
    if from.is_csv(&accept) {
        let head = csv::head(&UsageLine::empty(&groups));
        let page = move |cursor: Option<String>| {
            let (db, groups, filter) = (Db::clone(&db), groups.clone(), filter.clone());
            async move { report::lines(&db, &groups, &filter, cursor.as_deref(), LINES_MAX).await }
        };
        return Ok(Either::Right(spreadsheet("usage.csv", head, page)));
    }
    let cursor = from.cursor.as_deref();
    let part = report::lines(&db, &groups, &filter, cursor, by.limit).await?;
    let totals = match cursor {
        Some(_) => None,
        None => Some(report::total(&db, &filter).await?),
    };
    let (from, to) = ends(&filter);
    let Part { items: data, next: next_cursor } = part;
    let time_zone = "UTC";
    Ok(Either::Left(Json(UsageReport { from, to, time_zone, data, totals, next_cursor })))
}

/// See single calls, newest first.
///
/// A call is listed a moment after it has ended.
#[get("/usage/calls")]
async fn usage_calls(
    db: State<Db>,
    Query(wanted): Query<Wanted>,
    Query(page): Query<CallPage>,
    Query(from): Query<Paging>,
    Header(accept): Header<Accept>,
) -> Result<Either<Json<UsageCalls>, ByteStream<impl Stream<Item = Result<String>>>>> {
    let filter = wanted.filter(Timestamp::now())?;
    if from.is_csv(&accept) {
        let head = csv::head(&UsageCall::example());
        let page = move |cursor: Option<String>| {
            let (db, filter) = (Db::clone(&db), filter.clone());
            async move { report::calls(&db, &filter, cursor.as_deref(), CALLS_MAX).await }
        };
        return Ok(Either::Right(spreadsheet("calls.csv", head, page)));
    }
    let part = report::calls(&db, &filter, from.cursor.as_deref(), page.limit).await?;
    let (from, to) = ends(&filter);
    let Part { items: data, next: next_cursor } = part;
    Ok(Either::Left(Json(UsageCalls { from, to, time_zone: "UTC", data, next_cursor })))
}

fn ends(filter: &Filter) -> (Timestamp, Timestamp) {
    (Timestamp::from_millis(filter.from), Timestamp::from_millis(filter.to))
}

/// A list as CSV, read from the database page by page: a client that reads slowly holds no
/// connection to it.
fn spreadsheet<T, F>(
    name: &str,
    head: String,
    page: impl Fn(Option<String>) -> F + Send + 'static,
) -> ByteStream<impl Stream<Item = Result<String>> + Send>
where
    T: Serialize + 'static,
    F: Future<Output = Result<Part<T>>> + Send + 'static,
{
    /// Where the list goes on.
    enum Next {
        Head(String),
        Page(Option<String>),
        End,
    }
    let pages = stream::try_unfold((Next::Head(head), page), async |(next, page)| {
        let cursor = match next {
            Next::Head(head) => return Ok(Some((head, (Next::Page(None), page)))),
            Next::Page(cursor) => cursor,
            Next::End => return Ok(None),
        };
        let part = page(cursor).await?;
        let lines: String = part.items.iter().map(csv::row).collect();
        let next = part.next.map_or(Next::End, |cursor| Next::Page(Some(cursor)));
        Ok(Some((lines, (next, page))))
    });
    ByteStream::new(pages).content_type("text/csv; charset=utf-8").attachment(name)
}

//! Search documents.

use alula::{Detail, Route, prelude::*};
use alula_rag::{
    Attributes,
    search::{Found, Hit, Mode, QUERY_BYTES_MAX, Query as Wanted, Selection, WINDOW},
};
use serde_json::{Map, Value};

use crate::{
    dependencies::caller,
    services::{
        admission::Caller,
        retrieval::{self, DEFAULT_COLLECTION, LIMIT_MAX, Place, Retrieval, parsed},
    },
};

/// The most that can be left out before a page.
const OFFSET_MAX: u32 = WINDOW - 1;
/// How many results there are unless another number is asked for.
const LIMIT: u32 = 10;
/// The longest query, in characters of four bytes at most.
const QUERY_CHARS_MAX: usize = QUERY_BYTES_MAX / 4;
/// The most documents that a search can be held to by their names.
const DOCUMENTS_MAX: usize = 100;

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    routes![search, search_more]
}

/// What to search for.
#[derive(Deserialize, JsonSchema, Validate)]
struct Question {
    /// The question, or words of it.
    #[schemars(length(min = 1, max = QUERY_CHARS_MAX))]
    query: String,
    /// How many results; 10 if it is absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    /// How many of the best are left out, as they were on the pages before.
    #[serde(default)]
    #[schemars(range(max = OFFSET_MAX))]
    offset: u32,
    /// Whether archived documents are searched as well.
    #[serde(default)]
    include_archived: bool,
}

/// What to search for, where, and how.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "query": "How is the engine started?", "limit": 5 }]))]
struct LongQuestion {
    /// The question, or words of it.
    #[schemars(length(min = 1, max = QUERY_CHARS_MAX))]
    query: String,
    /// How many results; 10 if it is absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    /// How many of the best are left out, as they were on the pages before.
    #[serde(default)]
    #[schemars(range(max = OFFSET_MAX))]
    offset: u32,
    /// Whether archived documents are searched as well.
    #[serde(default)]
    include_archived: bool,
    /// By what documents are found.
    #[serde(default)]
    mode: SearchBy,
    /// What attributes they have: `{"type": "eq", "key": "year", "value": 2026}`, with `eq`, `ne`,
    /// `gt`, `gte`, `lt`, `lte`, `in` or `nin`, and `{"type": "and", "filters": […]}`, with `and` or
    /// `or`.
    #[serde(default)]
    filters: Option<Map<String, Value>>,
    /// Which documents they are; all of them if it is absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = DOCUMENTS_MAX))]
    document_ids: Option<Vec<String>>,
}

/// By what documents are found.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum SearchBy {
    /// By words and by vectors, or by words alone where that cannot be done now.
    #[default]
    Auto,
    /// By words.
    Keyword,
    /// By vectors.
    Vector,
    /// By words and by vectors.
    Hybrid,
}

impl From<SearchBy> for Mode {
    fn from(by: SearchBy) -> Self {
        match by {
            SearchBy::Auto => Self::Auto,
            SearchBy::Keyword => Self::Keyword,
            SearchBy::Vector => Self::Vector,
            SearchBy::Hybrid => Self::Hybrid,
        }
    }
}

/// What was found.
#[derive(Serialize, JsonSchema)]
struct SearchResults {
    /// What was searched for.
    query: String,
    /// By what: `keyword`, `vector` or `hybrid`.
    mode: &'static str,
    /// Why it was not searched by vectors, where it should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<String>,
    /// How many documents have no vectors yet, and are found by their words alone.
    #[serde(skip_serializing_if = "is_zero")]
    unembedded: u64,
    limit: u32,
    offset: u32,
    /// Whether there are more behind these.
    has_more: bool,
    /// The best first.
    results: Vec<SearchResult>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A part of a document.
#[derive(Serialize, JsonSchema)]
struct SearchResult {
    /// What it says.
    text: String,
    /// How good it is beside the others, up to 1.
    score: f32,
    document_id: String,
    /// What the file of the document is called.
    filename: String,
    /// On which page it begins, of a document that has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    /// Where it stands in the text of the document.
    span: Place,
    /// Under which headings it stands, the highest first.
    headings: Vec<String>,
    /// Where its text has words of the query.
    highlights: Vec<Place>,
    /// The attributes of the document.
    #[schemars(with = "Map<String, Value>")]
    attributes: Attributes,
    /// The name of this part. It changes with the document.
    chunk_id: String,
}

impl From<Hit> for SearchResult {
    fn from(hit: Hit) -> Self {
        Self {
            text: hit.chunk.text,
            score: hit.score,
            document_id: hit.document,
            filename: hit.filename,
            page: hit.chunk.page,
            span: hit.chunk.span.into(),
            headings: hit.chunk.headings,
            highlights: hit.highlights.into_iter().map(Place::from).collect(),
            attributes: hit.attributes,
            chunk_id: hit.id.to_string(),
        }
    }
}

/// Search your documents.
///
/// They are found by words, and by what they mean where the server has an embedding model; `mode`
/// says by what. `limit` and `offset` turn over the first 200 results.
#[get("/search")]
async fn search(
    caller: Depends<caller>,
    retrieval: State<Retrieval>,
    Query(question): Query<Question>,
) -> Result<Json<SearchResults>> {
    let Question { query, limit, offset, include_archived } = question;
    let limit = page(&retrieval, "query", limit, offset)?;
    let selection = Selection { include_archived, ..Selection::default() };
    let wanted = Wanted { limit, offset, selection, ..Wanted::new(&query) };
    found(&caller, &retrieval, query, &wanted).await
}

/// Search your documents, with filters.
///
/// `mode` can demand that vectors are searched: then a model that is away is an error, where else
/// the words alone are searched.
#[post("/search")]
async fn search_more(
    caller: Depends<caller>,
    retrieval: State<Retrieval>,
    Json(question): Json<LongQuestion>,
) -> Result<Json<SearchResults>> {
    let LongQuestion { query, limit, offset, include_archived, mode, filters, document_ids } =
        question;
    let limit = page(&retrieval, "body", limit, offset)?;
    let filter = filters.map(|filters| parsed(filters, &["filters"])).transpose()?;
    let selection = Selection { filter, include_archived, documents: document_ids };
    let mode = mode.into();
    let wanted = Wanted { limit, offset, mode, selection, ..Wanted::new(&query) };
    found(&caller, &retrieval, query, &wanted).await
}

async fn found(
    caller: &Caller,
    retrieval: &Retrieval,
    query: String,
    wanted: &Wanted,
) -> Result<Json<SearchResults>> {
    caller.admit_search().await?;
    let found = retrieval.search(caller, DEFAULT_COLLECTION, wanted).await?;
    let Found { mode, hits, has_more, fallback, unembedded } = found;
    Ok(Json(SearchResults {
        query,
        mode: mode.as_str(),
        fallback: fallback.as_ref().map(retrieval::reason),
        unembedded,
        limit: wanted.limit,
        offset: wanted.offset,
        // Nobody can ask for more than these.
        has_more: has_more && wanted.offset.saturating_add(wanted.limit) < WINDOW,
        results: hits.into_iter().map(SearchResult::from).collect(),
    }))
}

/// How many results a page has. The operator may allow fewer than the document does; and behind the
/// last that can be turned over there are none.
fn page(
    retrieval: &Retrieval,
    place: &'static str,
    limit: Option<u32>,
    offset: u32,
) -> Result<u32> {
    let max = retrieval.limit_max();
    let limit = limit.unwrap_or(LIMIT.min(max));
    if limit <= max {
        return Ok(limit.min(WINDOW.saturating_sub(offset)));
    }
    Err(HttpError::validation(vec![Detail {
        kind: "less_than_equal".into(),
        loc: vec![place.into(), "limit".into()],
        msg: format!("Input should be less than or equal to {max}"),
        input: limit.into(),
        ctx: Some(serde_json::json!({ "le": max })),
    }]))
}

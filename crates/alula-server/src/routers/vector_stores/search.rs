//! Searching a vector store.

use alula::{Route, prelude::*};
use alula_rag::{
    Attributes,
    search::{Filter, Found, Hit, QUERY_BYTES_MAX, Query as Wanted, Selection, TEXTS_MAX, Weights},
};
use serde_json::{Map, Value};

use crate::{dependencies::caller, error::wrong, services::vector_stores::VectorStores};

/// The most results of a search, and how many there are unless another number is asked for.
const RESULTS_MAX: u32 = 50;
const RESULTS: u32 = 10;
/// The longest query, in characters of four bytes at most.
const QUERY_CHARS_MAX: usize = QUERY_BYTES_MAX / 4;

/// The routes of this module.
pub(super) fn routes() -> Vec<Route> {
    routes![search]
}

/// What to search for in a vector store.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct VectorStoreQuery {
    /// The question, or several ways to ask it.
    query: Texts,
    /// What attributes the files have: `{"type": "eq", "key": "year", "value": 2026}`, with `eq`,
    /// `ne`, `gt`, `gte`, `lt`, `lte`, `in` or `nin`, and `{"type": "and", "filters": […]}`, with
    /// `and` or `or`.
    #[serde(default)]
    filters: Option<Map<String, Value>>,
    /// How many results.
    #[serde(default = "results")]
    #[schemars(range(min = 1, max = RESULTS_MAX))]
    max_num_results: u32,
    /// How results are ranked.
    #[serde(default, deserialize_with = "object")]
    ranking_options: Option<RankingOptions>,
    /// It is taken, and changes nothing: the query is searched as it is.
    #[serde(default)]
    rewrite_query: Option<bool>,
}

fn results() -> u32 {
    RESULTS
}

/// Reads an object. Left to itself, serde takes a list of what its fields would have as well.
fn object<'de, D, T>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    let read = fields.map(|fields| serde_json::from_value(Value::Object(fields)));
    read.transpose().map_err(serde::de::Error::custom)
}

/// A text, or several.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Texts {
    One(#[schemars(length(min = 1, max = QUERY_CHARS_MAX))] String),
    Many(
        #[schemars(length(min = 1, max = TEXTS_MAX), inner(length(min = 1, max = QUERY_CHARS_MAX)))]
         Vec<String>,
    ),
}

/// How results are ranked.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct RankingOptions {
    /// It is taken, and changes nothing: all of them rank alike here.
    #[serde(default)]
    ranker: Option<Ranker>,
    /// Which score results have at least.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    score_threshold: Option<f32>,
    /// How much words and vectors count.
    #[serde(default, deserialize_with = "object")]
    hybrid_search: Option<HybridSearch>,
}

/// What ranks results.
#[derive(Deserialize, JsonSchema, Validate)]
enum Ranker {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "default-2024-11-15")]
    Dated,
    #[serde(rename = "none")]
    Nothing,
}

/// How much words and vectors count.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct HybridSearch {
    /// How much vectors count.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    embedding_weight: f32,
    /// How much words count.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    text_weight: f32,
}

/// What was found in a vector store.
#[derive(Serialize, JsonSchema)]
struct VectorStoreResults {
    /// `vector_store.search_results.page`.
    object: &'static str,
    /// What was searched for.
    search_query: Vec<String>,
    /// The best first.
    data: Vec<VectorStoreResult>,
    /// Whether there are more than were asked for.
    has_more: bool,
    /// There is one page.
    next_page: Option<String>,
}

/// A part of a file.
#[derive(Serialize, JsonSchema)]
struct VectorStoreResult {
    file_id: String,
    filename: String,
    /// How good it is beside the others, up to 1.
    score: f32,
    #[schemars(with = "Map<String, Value>")]
    attributes: Attributes,
    /// What it says.
    content: Vec<ResultText>,
}

/// A text.
#[derive(Serialize, JsonSchema)]
struct ResultText {
    /// `text`.
    r#type: &'static str,
    text: String,
}

impl From<Hit> for VectorStoreResult {
    fn from(hit: Hit) -> Self {
        Self {
            file_id: hit.document,
            filename: hit.filename,
            score: hit.score,
            attributes: hit.attributes,
            content: vec![ResultText { r#type: "text", text: hit.chunk.text }],
        }
    }
}

impl VectorStoreQuery {
    fn wanted(self) -> Result<Wanted> {
        let Self { query, filters, max_num_results, ranking_options, .. } = self;
        let filter = filters.map(|it| Filter::parse(&Value::Object(it))).transpose();
        let filter = filter.map_err(|error| wrong(&error.at, error.reason))?;
        let texts = match query {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        };
        let mut wanted = Wanted {
            texts,
            limit: max_num_results,
            selection: Selection { filter, ..Selection::default() },
            ..Wanted::new("")
        };
        if let Some(RankingOptions { score_threshold, hybrid_search, .. }) = ranking_options {
            wanted.score_min = score_threshold.unwrap_or_default();
            if let Some(HybridSearch { embedding_weight, text_weight }) = hybrid_search {
                wanted.weights = Weights { keyword: text_weight, vector: embedding_weight };
            }
        }
        Ok(wanted)
    }
}

/// Search a vector store.
///
/// Its files are found by words, and by what they mean where the server has an embedding model.
#[post("/v1/vector_stores/{vector_store_id}/search")]
async fn search(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
    Json(query): Json<VectorStoreQuery>,
) -> Result<Json<VectorStoreResults>> {
    let wanted = query.wanted()?;
    let Found { hits, has_more, .. } = stores.search(&caller, &vector_store_id, &wanted).await?;
    Ok(Json(VectorStoreResults {
        object: "vector_store.search_results.page",
        search_query: wanted.texts,
        data: hits.into_iter().map(VectorStoreResult::from).collect(),
        has_more,
        next_page: None,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(json: Value) -> Result<Wanted, String> {
        let query: VectorStoreQuery =
            serde_json::from_value(json).map_err(|error| error.to_string())?;
        match query.is_valid() {
            true => query.wanted().map_err(|error| error.detail().to_string()),
            false => Err("it is not valid".to_owned()),
        }
    }

    #[test]
    fn a_query_is_searched_as_it_says() {
        let one = wanted(json!({"query": "wing"})).unwrap();
        assert_eq!(one, Wanted { texts: vec!["wing".to_owned()], ..Wanted::new("") });
        let all = wanted(json!({
            "query": ["wing", "feather"],
            "max_num_results": 50,
            "rewrite_query": true,
            "ranking_options": {
                "ranker": "default-2024-11-15",
                "score_threshold": 0.5,
                "hybrid_search": {"embedding_weight": 2, "text_weight": 1},
            },
            "filters": {"type": "eq", "key": "year", "value": 2026},
        }));
        let all = all.unwrap();
        assert_eq!((all.texts.len(), all.limit, all.score_min), (2, 50, 0.5));
        assert_eq!(all.weights, Weights { keyword: 1.0, vector: 2.0 });
        assert!(all.selection.filter.is_some());
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        for query in [
            json!({"query": ""}),
            json!({"query": []}),
            json!({"query": vec!["x"; 9]}),
            json!({"query": "x", "max_num_results": 51}),
            json!({"query": "x", "max_num_results": 0}),
            json!({"query": "x", "ranking_options": {"ranker": "best"}}),
            json!({"query": "x", "ranking_options": {"score_threshold": 1.5}}),
            json!({"query": "x", "ranking_options": [null, null]}),
            json!({"query": "x", "ranking_options": [null, null, null]}),
            json!({"query": "x", "ranking_options": {"hybrid_search": [1, 2]}}),
        ] {
            assert!(wanted(query.clone()).is_err(), "{query}");
        }
        let filter = json!({"type": "and", "filters": [{"type": "eq", "key": "a"}]});
        let error = wanted(json!({"query": "x", "filters": filter})).unwrap_err();
        assert!(error.contains(r#""param":"filters.filters[0].value""#), "{error}");
    }
}

//! Models of parameters: several in one place, other names on the wire, defaults, examples. The
//! answers are those of FastAPI 0.165.

use alula::prelude::*;
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Sort {
    New,
    Old,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Page {
    #[serde(default)]
    skip: i64,
    /// How many
    #[serde(default = "ten")]
    #[schemars(range(max = 100), example = 20)]
    #[deprecated]
    limit: i64,
}

fn ten() -> i64 {
    10
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Filter {
    #[serde(default = "tags")]
    tags: Vec<String>,
    #[serde(rename = "item-query")]
    #[schemars(length(min = 3))]
    q: Option<String>,
    #[serde(default)]
    sort: Vec<Sort>,
}

fn tags() -> Vec<String> {
    vec!["a".to_owned(), "b".to_owned()]
}

#[get("/q")]
async fn query(Query(page): Query<Page>, Query(filter): Query<Filter>) -> Json<Value> {
    #[expect(deprecated, reason = "it is still read")]
    let limit = page.limit;
    Json(json!([page.skip, limit, filter.tags, filter.q, filter.sort]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Headers {
    user_agent: Option<String>,
    #[serde(rename = "X-Token")]
    token: String,
}

#[get("/h")]
async fn headers(Header(headers): Header<Headers>) -> Json<Value> {
    Json(json!([headers.user_agent, headers.token]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Cookies {
    #[serde(rename = "__Host-sid")]
    sid: String,
}

#[get("/c")]
async fn cookies(Cookie(cookies): Cookie<Cookies>) -> Json<[String; 1]> {
    Json([cookies.sid])
}

fn app() -> App {
    App::new("Models", "1.0.0").routes(routes![query, headers, cookies])
}

#[tokio::test]
async fn two_models_share_the_query() {
    let client = app().client().await;
    for (target, expected) in [
        ("/q", r#"[0,10,["a","b"],null,[]]"#),
        (
            "/q?skip=1&limit=2&tags=x&tags=y&item-query=abc&sort=new&sort=old",
            r#"[1,2,["x","y"],"abc",["new","old"]]"#,
        ),
        ("/q?q=abc", r#"[0,10,["a","b"],null,[]]"#),
        (
            "/q?sort=&tags=",
            r#"{"detail":[{"type":"enum","loc":["query","sort",0],"msg":"Input should be 'new' or 'old'","input":"","ctx":{"expected":"'new' or 'old'"}}]}"#,
        ),
        (
            "/q?skip=x&limit=101&item-query=ab&sort=bad&sort=new",
            concat!(
                r#"{"detail":[{"type":"int_parsing","loc":["query","skip"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"},"#,
                r#"{"type":"less_than_equal","loc":["query","limit"],"msg":"Input should be less than or equal to 100","input":"101","ctx":{"le":100}},"#,
                r#"{"type":"string_too_short","loc":["query","item-query"],"msg":"String should have at least 3 characters","input":"ab","ctx":{"min_length":3}},"#,
                r#"{"type":"enum","loc":["query","sort",0],"msg":"Input should be 'new' or 'old'","input":"bad","ctx":{"expected":"'new' or 'old'"}}]}"#,
            ),
        ),
    ] {
        assert_eq!(client.get(target).await.text(), expected, "{target}");
    }
}

#[tokio::test]
async fn headers_and_cookies_are_read_by_the_names_that_serde_gives_them() {
    let client = app().client().await;
    let request = client.get("/h").header("X-TOKEN", "t").header("user-agent", "u");
    assert_eq!(request.await.text(), r#"["u","t"]"#);
    let refused: Value = client.get("/h").await.json();
    assert_eq!(refused["detail"][0]["loc"], json!(["header", "X-Token"]));
    let request = client.get("/c").header("cookie", "__Host-sid=1");
    assert_eq!(request.await.text(), r#"["1"]"#);
    let refused: Value = client.get("/c").await.json();
    assert_eq!(refused["detail"][0]["loc"], json!(["cookie", "__Host-sid"]));
}

#[test]
fn the_document_shows_defaults_examples_and_what_is_deprecated() {
    let document = app().openapi().unwrap();
    let parameters = |path: &str| document["paths"][path]["get"]["parameters"].clone();
    assert_eq!(
        parameters("/q")[1],
        json!({
            "name": "limit", "in": "query", "required": false,
            "description": "How many", "deprecated": true,
            "schema": {
                "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": 100,
                "examples": [20], "default": 10,
            },
        })
    );
    let tags = json!({"type": "array", "items": {"type": "string"}, "default": ["a", "b"]});
    assert_eq!(parameters("/q")[2]["schema"], tags);
    assert_eq!(parameters("/q")[3]["name"], "item-query");
    let sort = json!({"$ref": "#/components/schemas/Sort"});
    assert_eq!(parameters("/q")[4]["schema"]["items"], sort);
    assert_eq!(parameters("/h")[1]["name"], "X-Token");
    assert_eq!(parameters("/c")[0]["name"], "__Host-sid");
}

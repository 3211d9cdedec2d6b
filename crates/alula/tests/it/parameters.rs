//! The parameters that FastAPI answered, sent to the same endpoints.

use alula::{
    prelude::*,
    testing::{TestClient, TestResponse},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{self, assert_same};

#[derive(Deserialize)]
struct Case {
    path: String,
    place: String,
    pairs: Vec<(String, String)>,
    answer: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate, Default)]
#[serde(rename_all = "lowercase")]
enum Role {
    #[default]
    User,
    System,
}

fn ten() -> i64 {
    10
}

fn ratio() -> f64 {
    1.5
}

fn one() -> i64 {
    1
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Everything {
    skip: i64,
    #[serde(default = "ten")]
    #[schemars(range(max = 100))]
    limit: i64,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    tags: Vec<i64>,
    #[schemars(length(min = 3))]
    name: Option<String>,
    #[serde(default = "ratio")]
    ratio: f64,
    id: Option<Uuid>,
}

#[get("/query")]
async fn query(Query(query): Query<Everything>) -> Json<Value> {
    let Everything { skip, limit, role, flag, tags, name, ratio, id } = query;
    Json(json!([skip, limit, role, flag, tags, name, ratio, id]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Lists {
    tags: Vec<i64>,
    #[schemars(length(min = 2))]
    more: Option<Vec<String>>,
}

#[get("/lists")]
async fn lists(Query(lists): Query<Lists>) -> Json<(Vec<i64>, Option<Vec<String>>)> {
    Json((lists.tags, lists.more))
}

#[derive(Serialize, Deserialize, JsonSchema, Validate, Default)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    A,
    B,
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default = "ten")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    limit: i64,
    #[serde(default)]
    order: Order,
}

#[get("/filter")]
async fn filter(Query(filter): Query<Filter>) -> Json<(i64, Order)> {
    Json((filter.limit, filter.order))
}

#[get("/path/{id}")]
async fn path(Path(id): Path<i64>) -> Json<i64> {
    Json(id)
}

#[get("/role/{role}")]
async fn role(Path(role): Path<Role>) -> Json<Role> {
    Json(role)
}

#[get("/pair/{a}/{b}")]
async fn pair(Path(pair): Path<(i64, bool)>) -> Json<(i64, bool)> {
    Json(pair)
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Headers {
    x_token: String,
    n: Option<i64>,
    #[serde(default)]
    x_tags: Vec<i64>,
}

#[get("/header")]
async fn header(Header(headers): Header<Headers>) -> Json<Value> {
    Json(json!([headers.x_token, headers.n, headers.x_tags]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Cookies {
    #[schemars(length(min = 3))]
    session: String,
    #[serde(default = "one")]
    n: i64,
}

#[get("/cookie")]
async fn cookie(Cookie(cookies): Cookie<Cookies>) -> Json<(String, i64)> {
    Json((cookies.session, cookies.n))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct In {
    y: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Q {
    q: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct H {
    h: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct C {
    c: i64,
}

/// Lax, as FastAPI is: the body holds a number as text.
#[post("/all/{p}", lax)]
async fn all(
    Path(_): Path<i64>,
    Query(_): Query<Q>,
    Json(_): Json<In>,
    Header(_): Header<H>,
    Cookie(_): Cookie<C>,
) -> Json<u8> {
    Json(1)
}

/// The endpoints that FastAPI was asked, too.
pub(crate) fn app() -> App {
    App::new("Parameters", "1.0.0")
        .routes(routes![query, lists, filter, path, role, pair, header, cookie, all])
}

async fn ask(client: &TestClient, case: &Case) -> TestResponse {
    let text = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = || case.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match case.place.as_str() {
        "query" => {
            let pairs: Vec<_> =
                pairs().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
            client.get(&format!("{}?{}", case.path, pairs.join("&"))).await
        }
        "path" => {
            let path = pairs().fold(case.path.clone(), |path, (name, value)| {
                path.replace(&format!("{{{name}}}"), &text(value))
            });
            client.get(&path).await
        }
        "header" => {
            let request = client.get(&case.path);
            pairs().fold(request, |request, (name, value)| request.header(name, value)).await
        }
        "cookie" => {
            let pairs: Vec<_> = pairs().map(|(name, value)| format!("{name}={value}")).collect();
            client.get(&case.path).header("cookie", &pairs.join("; ")).await
        }
        "all" => client.post("/all/x?q=y").header("h", "i").json(&json!({"y": "z"})).await,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn parameters_are_answered_as_fastapi_does() {
    let client = app().client().await;
    let mut answers = Vec::new();
    for case in fixture::read::<Vec<Case>>("parameters.json") {
        let response = ask(&client, &case).await;
        let found = response.text().to_owned();
        let status = if found.starts_with(r#"{"detail":"#) { 422 } else { 200 };
        assert_eq!(response.status(), status, "{} {:?}", case.path, case.pairs);
        answers.push((
            format!("{} {} {:?}", case.path, case.place, case.pairs),
            case.answer,
            found,
        ));
    }
    assert_eq!(answers.len(), 67);
    assert_same(answers);
}

#[tokio::test]
async fn of_a_repeated_header_the_first_value_counts() {
    let client = app().client().await;
    let request = client.get("/header").header("x-token", "a").header("x-token", "b");
    assert_eq!(request.await.text(), r#"["a",null,[]]"#);
    // Also where the values have to be read a second time.
    let request = client.get("/header").header("x-token", "a").header("n", " 1").header("n", "2");
    assert_eq!(request.await.text(), r#"["a",1,[]]"#);
}

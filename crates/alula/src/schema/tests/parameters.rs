//! Parameters that FastAPI answered, byte for byte.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{assert_same, fixture};
use crate::schema::{Detail, Names, Shape, TextShape};
use crate::validate::Validate;

#[derive(Deserialize)]
struct Case {
    path: String,
    place: String,
    pairs: Vec<(String, String)>,
    answer: String,
}

macro_rules! no_constraints {
    ($($name:ident)*) => {$(
        impl Validate for $name {
            fn is_valid(&self) -> bool {
                true
            }
        }
    )*};
}

#[derive(Deserialize, Serialize, JsonSchema, Default)]
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

/// Serialized as a list, as the endpoint answers.
#[derive(Deserialize, JsonSchema)]
struct Query {
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

impl Validate for Query {
    fn is_valid(&self) -> bool {
        self.limit <= 100 && self.name.as_ref().is_none_or(|name| name.chars().count() >= 3)
    }
}

impl Query {
    fn answer(&self) -> Value {
        let Self { skip, limit, role, flag, tags, name, ratio, id } = self;
        json!([skip, limit, role, flag, tags, name, ratio, id])
    }
}

#[derive(Deserialize, JsonSchema)]
struct Lists {
    tags: Vec<i64>,
    #[schemars(length(min = 2))]
    more: Option<Vec<String>>,
}

impl Validate for Lists {
    fn is_valid(&self) -> bool {
        self.more.as_ref().is_none_or(|more| more.len() >= 2)
    }
}

#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    A,
    B,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default = "ten")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    limit: i64,
    #[serde(default)]
    order: Order,
}

impl Validate for Filter {
    fn is_valid(&self) -> bool {
        self.limit > 0
    }
}

#[derive(Deserialize, JsonSchema)]
struct Header {
    x_token: String,
    n: Option<i64>,
    #[serde(default)]
    x_tags: Vec<i64>,
}

fn one() -> i64 {
    1
}

#[derive(Deserialize, JsonSchema)]
struct Cookie {
    #[schemars(length(min = 3))]
    session: String,
    #[serde(default = "one")]
    n: i64,
}

impl Validate for Cookie {
    fn is_valid(&self) -> bool {
        self.session.chars().count() >= 3
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
struct Id(i64);

#[derive(Deserialize, Serialize, JsonSchema)]
struct Pair(i64, bool);

no_constraints! { Role Header Id Pair }

fn read<T: DeserializeOwned + JsonSchema + Validate>(
    place: &'static str,
    names: Names<'_>,
    pairs: &[(&str, &str)],
) -> Result<T, Vec<Detail>> {
    let shape = TextShape::new(schemars::schema_for!(T).as_value(), names);
    assert_eq!(shape.warnings(), [""; 0]);
    let pairs: Vec<_> =
        pairs.iter().map(|(name, text)| (Cow::Borrowed(*name), Cow::Borrowed(*text))).collect();
    shape.parse::<T>(place, &pairs)
}

fn answer(case: &Case) -> Result<Value, Vec<Detail>> {
    let pairs: Vec<_> =
        case.pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    match case.path.as_str() {
        "/query" => read::<Query>("query", Names::AsIs, &pairs).map(|query| query.answer()),
        "/lists" => {
            read::<Lists>("query", Names::AsIs, &pairs).map(|lists| json!([lists.tags, lists.more]))
        }
        "/filter" => read::<Filter>("query", Names::AsIs, &pairs)
            .map(|filter| json!([filter.limit, filter.order])),
        "/path/{id}" => read::<Id>("path", Names::Path(&["id"]), &pairs).map(|id| json!(id)),
        "/role/{role}" => {
            read::<Role>("path", Names::Path(&["role"]), &pairs).map(|role| json!(role))
        }
        "/pair/{a}/{b}" => {
            read::<Pair>("path", Names::Path(&["a", "b"]), &pairs).map(|pair| json!(pair))
        }
        "/header" => read::<Header>("header", Names::Header, &pairs)
            .map(|header| json!([header.x_token, header.n, header.x_tags])),
        "/cookie" => read::<Cookie>("cookie", Names::AsIs, &pairs)
            .map(|cookie| json!([cookie.session, cookie.n])),
        "/all/{p}" => everywhere(),
        other => panic!("{other}"),
    }
}

/// Wrong in every place at once.
fn everywhere() -> Result<Value, Vec<Detail>> {
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "never read well")]
    struct Q {
        q: i64,
    }
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "never read well")]
    struct H {
        h: i64,
    }
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "never read well")]
    struct C {
        c: i64,
    }
    no_constraints! { Q H C }
    let mut details = Vec::new();
    details.extend(read::<Id>("path", Names::Path(&["p"]), &[("p", "x")]).err().unwrap());
    details.extend(read::<Q>("query", Names::AsIs, &[("q", "y")]).err().unwrap());
    details.extend(read::<H>("header", Names::Header, &[("h", "i")]).err().unwrap());
    details.extend(read::<C>("cookie", Names::AsIs, &[]).err().unwrap());
    let body = Shape::compile(&json!({
        "type": "object", "properties": {"y": {"type": "integer"}}, "required": ["y"],
    }));
    details.extend(body.coerce("body", json!({"y": "z"}), Default::default()).err().unwrap());
    Err(details)
}

#[test]
fn answers_are_those_of_fastapi() {
    let cases: Vec<Case> = fixture(include_str!("../../../tests/fixtures/fastapi/parameters.json"));
    assert_same(cases.into_iter().map(|case| {
        let found = match answer(&case) {
            Ok(value) => value.to_string(),
            Err(details) => json!({"detail": details}).to_string(),
        };
        (format!("{} {} {:?}", case.path, case.place, case.pairs), case.answer, found)
    }));
}

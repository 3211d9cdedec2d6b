//! JSON against types: the walker over the schema refuses exactly what serde and the typed checks
//! refuse, and reading leniently only ever takes more.

use std::{collections::BTreeMap, sync::LazyLock};

use alula::{
    Detail, Validate,
    schema::{Shape, json},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Chat {
    #[schemars(length(min = 1, max = 4))]
    model: String,
    #[schemars(length(max = 3))]
    messages: Vec<Message>,
    #[serde(default)]
    #[schemars(range(min = 0, max = 2))]
    temperature: f64,
    #[schemars(extend("multipleOf" = 2))]
    n: Option<i8>,
    #[schemars(regex(pattern = "^[a-z]+$"))]
    tag: Option<String>,
    id: Option<uuid::Uuid>,
    #[serde(default)]
    meta: BTreeMap<String, u64>,
    stop: Option<Stop>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message {
    User { content: String, images: Option<Vec<String>> },
    Tool(Call),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Call {
    #[schemars(email)]
    name: String,
    arguments: Option<Box<Self>>,
    pair: Option<(bool, f32)>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(#[schemars(length(min = 1))] Vec<String>),
    Count(i32),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
enum Shaped {
    Point,
    Circle { radius: u16 },
    Named(String),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", content = "value")]
enum Amount {
    Pieces(u8),
    Weight(f64),
    Parts(Vec<Amount>),
}

/// The first byte chooses the type, the rest is the JSON.
pub fn run(data: &[u8]) {
    static CHAT: LazyLock<Shape> = LazyLock::new(shape::<Chat>);
    static SHAPED: LazyLock<Shape> = LazyLock::new(shape::<Vec<Shaped>>);
    static AMOUNT: LazyLock<Shape> = LazyLock::new(shape::<BTreeMap<String, Amount>>);
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 3 {
        0 => check::<Chat>(&CHAT, bytes),
        1 => check::<Vec<Shaped>>(&SHAPED, bytes),
        _ => check::<BTreeMap<String, Amount>>(&AMOUNT, bytes),
    }
}

fn shape<T: JsonSchema>() -> Shape {
    Shape::compile(schemars::schema_for!(T).as_value())
}

fn check<T: DeserializeOwned + Serialize + Validate>(shape: &Shape, bytes: &[u8]) {
    let strict = json::parse::<T>(shape, bytes, false);
    let lax = json::parse::<T>(shape, bytes, true);
    if let Err(refused) = &strict {
        told(refused);
    }
    match (&strict, &lax) {
        (Ok(strict), Ok(lax)) => {
            // What needs no conversion is not converted.
            let text = |value: &T| serde_json::to_string(value).unwrap();
            assert_eq!(text(strict), text(lax));
        }
        (Ok(_), Err(refused)) => panic!("only lax reading refuses: {refused:?}"),
        (Err(_), Err(refused)) => told(refused),
        (Err(_), Ok(_)) => {}
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        agree::<T>(shape, value);
    }
}

/// A refusal says why.
fn told(refused: &json::Refused) {
    if let json::Refused::Invalid(details) = refused {
        assert!(!details.is_empty());
        for detail in details {
            assert_eq!(detail.loc.first(), Some(&"body".into()));
            assert!(!detail.msg.is_empty());
        }
    }
}

/// The walker and the type say the same of a value.
fn agree<T: DeserializeOwned + Validate>(shape: &Shape, value: Value) {
    let details = shape.explain("body", &value, Default::default());
    // Serde fills a struct from a list, by position; the walker does not.
    let by_position = |detail: &Detail| detail.input.is_array();
    let bytes = value.to_string();
    let typed = json::parse::<T>(shape, bytes.as_bytes(), false).is_ok();
    if typed {
        assert!(details.iter().all(by_position), "only the walker refuses: {details:?}");
    } else {
        assert!(!details.is_empty(), "only the type refuses");
    }
}

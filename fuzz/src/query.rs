//! The query string, as it stands and as pairs.

use std::{cell::RefCell, collections::BTreeSet};

use alula::{App, Body, http::Request, prelude::*};

use crate::app::Running;

#[derive(Deserialize, Serialize, JsonSchema, Validate, PartialEq, Debug)]
struct Everything {
    skip: Option<i64>,
    #[serde(default)]
    #[schemars(range(max = 100))]
    limit: u8,
    #[schemars(length(min = 3))]
    text: Option<String>,
    #[serde(default)]
    tags: Vec<i16>,
    #[serde(default)]
    names: BTreeSet<String>,
    #[serde(default)]
    flag: bool,
    ratio: Option<f64>,
    id: Option<uuid::Uuid>,
    side: Option<Side>,
}

#[derive(Deserialize, Serialize, JsonSchema, Validate, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Side {
    Left,
    Right,
}

#[get("/")]
async fn query(Query(query): Query<Everything>) -> Json<Everything> {
    Json(query)
}

/// The bytes are the query, escaped where no URI can hold them.
pub fn run(data: &[u8]) {
    thread_local! {
        static APP: RefCell<Running> =
            Running::start(App::new("Fuzz", "1").routes(routes![query]));
    }
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>`".contains(byte);
    let text: String = data
        .iter()
        .map(|byte| match plain(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let Ok(request) = Request::get(format!("/?{text}")).body(Body::empty()) else { return };
    let response = APP.with_borrow_mut(|app| app.send(request));
    if response.status() == 200 {
        // What was read can be read again.
        let _: Everything = response.json();
    } else {
        assert_eq!(response.status(), 422);
    }
}

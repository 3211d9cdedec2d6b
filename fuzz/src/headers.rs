//! Headers that the framework reads: parameters, cookies, credentials, content types.

use std::cell::RefCell;

use alula::{
    App, Body,
    http::{HeaderName, HeaderValue, Request},
    prelude::*,
};

use crate::app::Running;

/// A line names its header by one letter.
const NAMES: &[&str] = &[
    "cookie",
    "authorization",
    "content-type",
    "x-number",
    "x-list",
    "x-request-id",
    "x-api-key",
    "range",
    "if-none-match",
    "if-modified-since",
];

#[derive(Deserialize, JsonSchema, Validate)]
struct Numbers {
    x_number: Option<i64>,
    #[serde(default)]
    x_list: Vec<f32>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Session {
    #[schemars(length(min = 2))]
    session: Option<String>,
}

#[post("/")]
async fn read(
    _: Header<Numbers>,
    _: Cookie<Session>,
    _bearer: Option<Bearer>,
    _basic: Option<Basic>,
    _key: Option<ApiKey>,
    body: Json<Option<u8>>,
) -> Json<Option<u8>> {
    body
}

/// Each line is a header: a letter for its name, then its value.
pub fn run(data: &[u8]) {
    thread_local! {
        static APP: RefCell<Running> = Running::start(App::new("Fuzz", "1").routes(routes![read]));
    }
    let mut request = Request::post("/").body(Body::from("1")).unwrap();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((letter, value)) = line.split_first() else { continue };
        let name = NAMES[usize::from(*letter) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    let response = APP.with_borrow_mut(|app| app.send(request));
    assert!([200, 400, 401, 415, 422].contains(&response.status().as_u16()));
    assert!(!response.header("x-request-id").is_empty());
}

//! Forms: multipart and URL-encoded, read to their end.

use std::cell::RefCell;

use alula::{App, Body, Multipart, UploadFile, http::Request, prelude::*};

use crate::app::Running;

#[derive(Deserialize, JsonSchema, Validate)]
struct Upload {
    #[schemars(length(max = 5))]
    title: String,
    #[serde(default)]
    tags: Vec<u8>,
    file: Option<UploadFile>,
    #[serde(default)]
    more: Vec<UploadFile>,
}

#[post("/", max_body = 65536)]
async fn upload(Multipart(form): Multipart<Upload>) -> Json<(usize, usize, bool, usize)> {
    Json((form.title.chars().count(), form.tags.len(), form.file.is_some(), form.more.len()))
}

/// The first byte chooses the content type, the rest is the body.
pub fn run(data: &[u8]) {
    thread_local! {
        static APP: RefCell<Running> =
            Running::start(App::new("Fuzz", "1").routes(routes![upload]));
    }
    let Some((choice, body)) = data.split_first() else { return };
    let content_type = match choice % 8 {
        0 => "application/x-www-form-urlencoded",
        1 => "multipart/form-data; boundary=\"b b\"",
        _ => "multipart/form-data; boundary=b",
    };
    let body = Body::from(body.to_vec());
    let request = Request::post("/").header("content-type", content_type).body(body);
    let Ok(request) = request else { return };
    let response = APP.with_borrow_mut(|app| app.send(request));
    assert!([200, 400, 413, 422].contains(&response.status().as_u16()), "{}", response.status());
    if response.status() == 200 {
        let (title, ..) = response.json::<(usize, usize, bool, usize)>();
        assert!(title <= 5);
    }
}

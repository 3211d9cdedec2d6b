//! The answers of FastAPI, from `fixtures/fastapi/files.json`.

use std::collections::BTreeMap;

use alula::{Fallback, Frontend, http::Method, prelude::*, testing::TestClient};
use tempfile::TempDir;

use super::directory;
use crate::fixture;

#[derive(Deserialize)]
struct Case {
    app: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    status: u16,
    location: String,
    body: String,
}

#[get("/items")]
async fn items() -> Json<&'static str> {
    Json("items")
}

#[get("/slash/")]
async fn slash() -> Json<&'static str> {
    Json("slash")
}

#[get("/things/{thing}")]
async fn thing(Path(thing): Path<String>) -> Json<String> {
    Json(thing)
}

#[post("/posted")]
async fn posted() -> Json<&'static str> {
    Json("posted")
}

#[get("/")]
async fn root() -> Json<&'static str> {
    Json("root")
}

#[get("/x/")]
async fn x() -> Json<&'static str> {
    Json("x")
}

#[get("/y/{y}")]
async fn y(Path(y): Path<i64>) -> Json<i64> {
    Json(y)
}

const SITE: [(&str, &str); 4] = [
    ("index.html", "index"),
    ("about/index.html", "about"),
    ("assets/app.js", "js"),
    ("a b/é.txt", "accents"),
];

fn app(name: &str, site: &TempDir, with_page: &TempDir) -> App {
    let app = App::new("Files", "1.0.0").routes(routes![items, slash, thing, posted]);
    let page = || Frontend::new(with_page.path());
    match name {
        "plain" => app,
        "frontend" => app.frontend("/", site.path()),
        "frontend with a page" => app.frontend("/", page()),
        "frontend, index" => app.frontend("/", page().fallback(Fallback::Index)),
        "frontend, none" => app.frontend("/", page().fallback(Fallback::None)),
        "frontend below" => app.frontend("/ui", site.path()),
        "static" => app.static_files("/static", site.path()),
        "mounted" => app.mount("/admin", App::new("Admin", "1.0.0").routes(routes![root, x, y])),
        other => panic!("{other}"),
    }
}

async fn ask(client: &TestClient, case: &Case) -> String {
    let method = Method::from_bytes(case.method.as_bytes()).unwrap();
    let mut request = client.request(method, &case.target);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let response = request.await;
    let location = response.header("location");
    format!("{} {location} {}", response.status().as_u16(), response.text())
}

/// What is another answer on purpose.
fn differs(case: &Case) -> bool {
    // FastAPI redirects to `/static/`, to answer 404 there.
    let empty = case.app == "static" && case.target == "/static";
    // A file has no slash at its end.
    let slash = case.target.ends_with("app.js/");
    // What no file can be called is not there, as everything else that is not.
    let impossible = case.target.contains("%00") || case.target.len() > 255;
    empty || slash || (impossible && case.app == "frontend with a page")
}

#[tokio::test]
async fn every_answer_is_that_of_fastapi() {
    let site = directory(&SITE);
    let with_page = directory(&[&SITE[..], &[("404.html", "gone")]].concat());
    let cases: Vec<Case> = fixture::read("files.json");
    let mut clients: BTreeMap<&str, TestClient> = BTreeMap::new();
    let mut compared = Vec::new();
    for case in cases.iter().filter(|case| !differs(case)) {
        if !clients.contains_key(&*case.app) {
            clients.insert(&case.app, app(&case.app, &site, &with_page).client().await);
        }
        let found = ask(&clients[&*case.app], case).await;
        let expected = format!("{} {} {}", case.status, case.location, case.body);
        let name = format!("{}: {} {} {:?}", case.app, case.method, case.target, case.headers);
        compared.push((name, expected, found));
    }
    assert!(compared.len() > 200);
    fixture::assert_same(compared);
}

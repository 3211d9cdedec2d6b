//! What a directory answers, and what it keeps to itself.

use std::{fs, time::Duration};

use alula::{
    Fallback, Frontend, StaticFiles,
    middleware::{Cors, ResponseTime},
    prelude::*,
};

use super::{directory, write};

fn app() -> App {
    App::new("Files", "1.0.0")
}

#[tokio::test]
async fn a_file_has_what_clients_need_to_keep_it() {
    let files = directory(&[("app.js", "0123456789"), ("a.unknown", "?"), ("page.html", "<p>")]);
    let client = app().static_files("/s", files.path()).client().await;
    let response = client.get("/s/app.js").await;
    assert_eq!(response.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(response.header("content-length"), "10");
    assert!(!response.headers().contains_key("cache-control"));
    let etag = response.header("etag").to_owned();
    let known = client.get("/s/app.js").header("if-none-match", &etag).await;
    assert_eq!((known.status().as_u16(), known.header("etag")), (304, &*etag));
    let date = response.header("last-modified").to_owned();
    assert_eq!(client.get("/s/app.js").header("if-modified-since", &date).await.status(), 304);
    let part = client.get("/s/app.js").header("range", "bytes=2-4").await;
    assert_eq!((part.status().as_u16(), part.text()), (206, "234"));
    let head = client.head("/s/app.js").await;
    assert_eq!((head.header("content-length"), head.text()), ("10", ""));
    let unknown = client.get("/s/a.unknown").await;
    assert_eq!(unknown.header("content-type"), "application/octet-stream");
    assert!(!client.get("/s/page.html").await.headers().contains_key("cache-control"));
}

#[tokio::test]
async fn a_new_version_of_a_file_is_seen_at_once() {
    let files = directory(&[("app.js", "old")]);
    let client = app().static_files("/s", files.path()).client().await;
    let etag = client.get("/s/app.js").await.header("etag").to_owned();
    write(files.path(), "app.js", "newer");
    let response = client.get("/s/app.js").header("if-none-match", &etag).await;
    assert_eq!((response.status().as_u16(), response.text()), (200, "newer"));
}

#[tokio::test]
async fn nothing_outside_and_nothing_hidden_is_there() {
    let outer = directory(&[
        ("secret.txt", "secret"),
        ("site/index.html", "index"),
        ("site/.env", "secret"),
        ("site/.git/config", "secret"),
        ("site/.well-known/security.txt", "contact"),
        ("site-2/secret.txt", "secret"),
    ]);
    let site = outer.path().join("site");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), site.join("out.txt")).unwrap();
        std::os::unix::fs::symlink(site.join("index.html"), site.join("in.txt")).unwrap();
    }
    let client = app().static_files("/s", site.clone()).client().await;
    for path in [
        "/s/../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s/..%2fsecret.txt",
        "/s/%2e%2e%2fsite-2%2fsecret.txt",
        "/s//../secret.txt",
        "/s/a/..%2f..%2fsecret.txt",
        "/s/%5c..%5csecret.txt",
        "/s/%2fetc%2fpasswd",
        "/s/index.html%00.txt",
        "/s/%ff",
        "/s/.env",
        "/s/.git/config",
        "/s/%2egit/config",
        "/s/out.txt",
        "/s/",
        "/s",
    ] {
        let response = client.get(path).await;
        let answer = (response.status().as_u16(), response.text());
        assert_eq!(answer, (404, r#"{"detail":"Not Found"}"#), "{path}");
    }
    assert_eq!(client.get("/s/.well-known/security.txt").await.text(), "contact");
    #[cfg(unix)]
    assert_eq!(client.get("/s/in.txt").await.text(), "index");
}

#[tokio::test]
async fn pages_of_a_frontend_are_asked_for_anew_and_assets_are_kept() {
    let files = directory(&[("index.html", "index"), ("assets/app-1234.js", "js")]);
    let frontend = Frontend::new(files.path()).max_age(Duration::from_secs(60));
    let client = app().frontend("/", frontend).client().await;
    let control = async |path: &str| {
        let response = client.get(path).header("accept", "text/html").await;
        response.header("cache-control").to_owned()
    };
    assert_eq!(control("/").await, "no-cache");
    assert_eq!(control("/some/view").await, "no-cache");
    assert_eq!(control("/assets/app-1234.js").await, "public, max-age=60");
}

#[tokio::test]
async fn a_cache_is_told_that_only_those_who_navigate_get_the_page() {
    let files = directory(&[("index.html", "index"), ("app.js", "js")]);
    let plain = Frontend::new(files.path());
    let client = app().frontend("/a", plain.clone()).frontend("/b", plain.precompressed());
    let client = client.client().await;
    let vary = async |path: &str| {
        let response = client.get(path).header("accept", "text/html").await;
        response.header("vary").to_owned()
    };
    assert_eq!(vary("/a/some/view").await, "Accept");
    assert_eq!(vary("/b/some/view").await, "Accept, Accept-Encoding");
    assert_eq!((vary("/a/").await, vary("/a/app.js").await), (String::new(), String::new()));
    assert_eq!(vary("/b/app.js").await, "Accept-Encoding");
}

#[tokio::test]
async fn files_that_are_compressed_already_are_sent_to_those_who_accept_them() {
    let files = directory(&[
        ("app.js", "plain"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip"),
        ("other.css", "plain"),
        ("other.css.gz", "gzip"),
    ]);
    let precompressed = StaticFiles::new(files.path()).precompressed();
    let client = app().static_files("/s", precompressed).client().await;
    let asked = async |path: &str, accept: &str| {
        let response = client.get(path).header("accept-encoding", accept).await;
        assert_eq!(response.header("vary"), "Accept-Encoding");
        let coding = response.header("content-encoding");
        format!("{} {coding} {}", response.text(), response.header("content-type"))
    };
    let js = "text/javascript; charset=utf-8";
    assert_eq!(asked("/s/app.js", "gzip, br").await, format!("brotli br {js}"));
    assert_eq!(asked("/s/app.js", "gzip").await, format!("gzip gzip {js}"));
    assert_eq!(asked("/s/app.js", "br;q=0, zstd").await, format!("plain  {js}"));
    assert_eq!(asked("/s/app.js", "identity").await, format!("plain  {js}"));
    assert_eq!(asked("/s/other.css", "br, gzip").await, "gzip gzip text/css; charset=utf-8");
    let tags = [client.get("/s/app.js"), client.get("/s/app.js").header("accept-encoding", "br")];
    let [plain, brotli] = tags;
    assert_ne!(plain.await.header("etag"), brotli.await.header("etag"));
}

#[tokio::test]
async fn dependencies_and_middleware_of_a_router_are_around_its_files() {
    #[dependency]
    async fn member(token: Option<Bearer>) -> Result<()> {
        token.map(drop).ok_or_else(|| HttpError::unauthorized("Bearer"))
    }
    let files = directory(&[("a.txt", "a")]);
    let members = Router::new().prefix("/members").depends::<member>();
    let cors = Cors::new().origin("https://a.example");
    let members = members.static_files("/files", files.path()).layer(ResponseTime::new());
    let client = app().include(members.layer(cors)).client().await;
    let refused = client.get("/members/files/a.txt").await;
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("x-response-time"));
    let answered = client.get("/members/files/a.txt").bearer("t").await;
    assert_eq!((answered.status().as_u16(), answered.text()), (200, "a"));
    let preflight = client.options("/members/files/a.txt").header("origin", "https://a.example");
    assert_eq!(preflight.header("access-control-request-method", "GET").await.status(), 200);
}

#[tokio::test]
async fn the_longest_prefix_has_the_file_and_a_route_goes_before_all() {
    async fn own() -> Text<&'static str> {
        Text("route")
    }
    let (outer, inner) = (directory(&[("a.txt", "outer")]), directory(&[("b.txt", "inner")]));
    let app = app().frontend("/", outer.path()).static_files("/deep/er", inner.path());
    let client = app.route(get("/deep/er/{name}/own", own)).client().await;
    assert_eq!(client.get("/a.txt").await.text(), "outer");
    assert_eq!(client.get("/deep/er/b.txt").await.text(), "inner");
    assert_eq!(client.get("/deep/er/a.txt").await.status(), 404);
    assert_eq!(client.get("/deep/er/b.txt/own").await.text(), "route");
    assert_eq!(client.post("/a.txt").await.header("allow"), "GET,HEAD");
}

async fn mistakes(app: App) -> String {
    match app.into_service(alula::Shutdown::new()).await {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_is_missing_stops_the_start_but_not_the_document() {
    let files = directory(&[("a.txt", "a")]);
    let missing = files.path().join("missing");
    let error = mistakes(app().static_files("/s", missing.clone())).await;
    let full = missing.display();
    assert!(error.contains(&format!("GET /s: `{full}` is no directory")), "{error}");
    assert!(app().static_files("/s", missing).openapi().is_ok());
    for (fallback, file) in [(Fallback::Index, "index.html"), (Fallback::NotFound, "404.html")] {
        let frontend = Frontend::new(files.path()).fallback(fallback);
        let error = mistakes(app().frontend("/", frontend)).await;
        assert!(error.contains(&format!("{file}` is not there")), "{error}");
    }
    let twice = app().frontend("/", files.path()).static_files("/", files.path());
    assert!(mistakes(twice).await.contains("GET /: two things are mounted there"));
    let parameter = app().static_files("/{tenant}", files.path());
    assert!(mistakes(parameter).await.contains("without parameters"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_release_that_a_link_leads_to_can_be_changed() {
    let releases = directory(&[("1/a.txt", "one"), ("2/a.txt", "two")]);
    let current = releases.path().join("current");
    std::os::unix::fs::symlink(releases.path().join("1"), &current).unwrap();
    let client = app().static_files("/s", current.clone()).client().await;
    assert_eq!(client.get("/s/a.txt").await.text(), "one");
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink(releases.path().join("2"), &current).unwrap();
    assert_eq!(client.get("/s/a.txt").await.text(), "two");
}

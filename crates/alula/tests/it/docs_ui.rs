//! The documentation page, in a browser and as files.

use std::{
    path::{Path as FilePath, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use alula::{
    Body,
    http::Response,
    prelude::*,
    serve::{Limits, Server, Shutdown},
};
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::{kitchen, tool};

/// Longer than a browser takes to start on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Chromium: `ALULA_TEST_CHROMIUM`, or one in the path.
fn chromium() -> Option<PathBuf> {
    let named = tool::setting("ALULA_TEST_CHROMIUM").map(PathBuf::from);
    named
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(in_path))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = tool::setting("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What a browser made of a page.
struct Visit {
    /// The page after its scripts ran.
    dom: String,
    /// What scripts and the browser itself wrote to the console.
    console: Vec<String>,
    /// The URLs that the page asked for.
    requests: Vec<String>,
}

/// A folder that goes with the test.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("alula-docs-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens a page of this machine in a browser that has never been used and knows no other.
async fn visit(chromium: &FilePath, url: &str) -> Visit {
    let folder = TempDir::new();
    let net_log = folder.0.join("net.json");
    let browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--no-proxy-server"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        .args(["--window-size=1200,3000", "--virtual-time-budget=20000", "--dump-dom"])
        .arg("--enable-logging=stderr")
        .arg(format!("--user-data-dir={}", folder.0.join("profile").display()))
        .arg(format!("--log-net-log={}", net_log.display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = timeout(PATIENCE, browser.wait_with_output()).await;
    let output = output.expect("the browser ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Visit {
        dom: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
        requests: requests(&std::fs::read_to_string(net_log).unwrap()),
    }
}

/// The URLs that a net log says the page asked for. What the browser asks for itself has another
/// key for its cache than the site of the page.
fn requests(net_log: &str) -> Vec<String> {
    // A browser that ends early does not close the brackets.
    let closed = || format!("{}]}}", net_log.trim_end().trim_end_matches(','));
    let log: Value = serde_json::from_str(net_log)
        .or_else(|_| serde_json::from_str(&closed()))
        .expect("the net log is JSON");
    let start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"].as_u64().unwrap();
    let of_the_page = |event: &&Value| {
        let key = event["params"]["network_isolation_key"].as_str().unwrap_or_default();
        event["type"] == start && key.contains("http://127.0.0.1")
    };
    let urls = log["events"].as_array().unwrap().iter().filter(of_the_page);
    urls.filter_map(|event| event["params"]["url"].as_str().map(str::to_owned)).collect()
}

/// Serves an application, opens one of its pages, and says where it was served.
async fn open(chromium: &FilePath, app: App, page: &str) -> (String, Visit) {
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let origin = format!("http://{}", server.local_addr());
    let shutdown = Shutdown::new();
    let serving = app.serve_on(server, shutdown.clone());
    let visiting = async {
        let visit = visit(chromium, &format!("{origin}{page}")).await;
        shutdown.trigger();
        visit
    };
    let (served, visit) = tokio::join!(serving, visiting);
    served.unwrap();
    (origin, visit)
}

fn strays<'v>(origin: &str, visit: &'v Visit) -> Vec<&'v str> {
    let home = format!("{origin}/");
    visit.requests.iter().map(String::as_str).filter(|url| !url.starts_with(&home)).collect()
}

#[tokio::test]
async fn the_page_shows_the_operations_and_stays_at_home() {
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let (origin, visit) = open(&chromium, kitchen::app(), "/docs#/Orders/order").await;
    for text in [
        "Kitchen &lt;sink&gt;",
        "data-tag=\"Dishes\"",
        "What there is.",
        "List the dishes.",
        "data-tag=\"Streams\"",
        "All orders of the day.",
        // The operation in the URL is open, with an example of its body.
        "opblock opblock-post is-open",
        "\"ingredients\"",
    ] {
        assert!(visit.dom.contains(text), "{text} in {}", visit.dom);
    }
    assert!(!visit.dom.contains("health"), "a hidden operation");
    assert_eq!(visit.console, [""; 0]);
    assert_eq!(strays(&origin, &visit), [""; 0]);
    for file in ["docs#/Orders/order", "openapi.json"] {
        let url = format!("{origin}/{file}");
        assert!(visit.requests.contains(&url), "{url} in {:?}", visit.requests);
    }
}

#[tokio::test]
async fn a_page_that_strays_or_breaks_its_policy_would_be_noticed() {
    async fn page() -> Response<Body> {
        let html = "<img src='http://elsewhere.example/x'><script>alert(1)</script>";
        Response::builder()
            .header("content-type", "text/html")
            .header("content-security-policy", "script-src 'self'")
            .body(Body::from(html))
            .unwrap()
    }
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let app = App::new("Stray", "1.0.0").route(get("/page", page));
    let (origin, visit) = open(&chromium, app, "/page").await;
    assert_eq!(strays(&origin, &visit), ["http://elsewhere.example/x"]);
    assert!(visit.console.iter().any(|line| line.contains("script-src")), "{:?}", visit.console);
}

#[tokio::test]
async fn the_page_and_its_files_have_their_headers() {
    let client = kitchen::app().client().await;
    let page = client.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(page.text().contains("<title>Kitchen &lt;sink&gt;</title>"));

    let urls = page.text().split('"').filter(|part| part.starts_with("/docs/"));
    let urls: Vec<_> = urls.collect();
    assert_eq!(urls.len(), 4);
    for url in urls {
        let file = client.get(url).await;
        assert_eq!(file.status(), 200, "{url}");
        let cached = file.header("cache-control");
        assert_eq!(cached, "public, max-age=31536000, immutable", "{url}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{url}");
        let is_compressed = url.contains("swagger-ui");
        assert_eq!(file.header("content-encoding") == "gzip", is_compressed, "{url}");
        assert_eq!(client.head(url).await.status(), 200, "{url}");
    }
}

#[tokio::test]
async fn the_page_and_the_document_can_be_elsewhere_or_nowhere() {
    let app = kitchen::app().docs_url("/ui").openapi_url("/schema.json");
    let client = app.client().await;
    assert!(client.get("/ui").await.text().contains("data-document=\"/schema.json\""));
    assert_eq!(client.get("/schema.json").await.json::<Value>()["openapi"], "3.1.0");
    assert_eq!(client.get("/docs").await.status(), 404);

    let client = kitchen::app().docs_url(None).client().await;
    assert_eq!(client.get("/docs").await.status(), 404);
    assert_eq!(client.get("/openapi.json").await.status(), 200);

    let client = kitchen::app().openapi_url(None).client().await;
    assert_eq!(client.get("/docs").await.status(), 404);
    assert_eq!(client.get("/openapi.json").await.status(), 404);
}

//! A real browser, and what it saw.

use std::{
    path::{Path as FilePath, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use alula::{
    App,
    serve::{Limits, Server, Shutdown},
};
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::tool;

/// Longer than a browser takes to start on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Chromium: `ALULA_TEST_CHROMIUM`, or one in the path.
pub(super) fn chromium() -> Option<PathBuf> {
    let named = tool::setting("ALULA_TEST_CHROMIUM").map(PathBuf::from);
    named
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(in_path))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = tool::setting("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What a browser made of a page.
pub(super) struct Visit {
    /// The page after its scripts ran.
    pub(super) dom: String,
    /// What the page's scripts, and the browser about the page, wrote to the console.
    pub(super) console: Vec<String>,
    /// The URLs that the page asked for.
    pub(super) requests: Vec<String>,
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
        .args(["--disable-dev-shm-usage", "--no-proxy-server", "--disable-popup-blocking"])
        // Else the browser asks its maker about the fields of a page.
        .arg("--disable-features=AutofillServerCommunication")
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
        console: console(&said),
        requests: requests(&std::fs::read_to_string(net_log).unwrap()),
    }
}

/// What a browser that logs to standard error says of the consoles of pages. It has pages of its
/// own, which have nothing to do with the one that is visited.
fn console(said: &str) -> Vec<String> {
    const OWN: [&str; 5] =
        ["chrome:", "chrome-error:", "chrome-extension:", "chrome-untrusted:", "devtools:"];
    // What the browser advises the author of a page, where it has the time to look at the page.
    const ADVICE: &str = "\"[DOM] ";
    let mut messages: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in said.lines() {
        if line.contains(":CONSOLE") {
            messages.push(line.to_owned());
        } else if let Some(message) = messages.last_mut().filter(|_| is_open) {
            // A message of several lines names its source on the last.
            *message += &format!("\n{line}");
        } else {
            continue;
        }
        is_open = !line.contains("\", source: ");
    }
    let is_own = |message: &String| {
        let source = message.rsplit_once("\", source: ").map_or("", |(_, source)| source);
        let is_advice = message.contains(":INFO:") && message.contains(ADVICE);
        is_advice || OWN.iter().any(|scheme| source.starts_with(scheme))
    };
    messages.into_iter().filter(|message| !is_own(message)).collect()
}

#[test]
fn only_what_is_said_of_the_browsers_own_pages_is_left_out() {
    let said = "[1:1:1126/08.1:WARNING:gpu.cc(1)] no GPU, source: chrome://gpu/ (1)\n\
        [1:1:1126/08.2:INFO:CONSOLE(1)] \"a toolbar\", source: chrome://toolbar/a.js (1)\n\
        [1:1:1126/08.3:INFO:CONSOLE:7] \"two\n\
        lines\", source: http://127.0.0.1:1/docs/start.js (7)\n\
        [1:1:1126/08.4:ERROR:other.cc(1)] no bus\n\
        [1:1:1126/08.5:INFO:CONSOLE:0] \"[DOM] a field has no form: %o\", source: http://127.0.0.1:1/docs (0)\n\
        [1:1:1126/08.5:INFO:CONSOLE:0] \"not found\", source: http://elsewhere.example/x (0)\n\
        [1:1:1126/08.6:INFO:CONSOLE:0] \"says \", source: chrome://x\", source:  (0)\n";
    let console = console(said);
    let ends: Vec<_> = console.iter().map(|message| message.split_once("] ").unwrap().1).collect();
    assert_eq!(
        ends,
        [
            "\"two\nlines\", source: http://127.0.0.1:1/docs/start.js (7)",
            "\"not found\", source: http://elsewhere.example/x (0)",
            "\"says \", source: chrome://x\", source:  (0)",
        ]
    );
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
pub(super) async fn open(chromium: &FilePath, app: App, page: &str) -> (String, Visit) {
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

pub(super) fn strays<'v>(origin: &str, visit: &'v Visit) -> Vec<&'v str> {
    let home = format!("{origin}/");
    visit.requests.iter().map(String::as_str).filter(|url| !url.starts_with(&home)).collect()
}

//! Cassettes of VCR.py, and what becomes of them.

use std::{
    collections::BTreeMap,
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use alula_llm::{
    Http,
    testing::{Cassette, Cassettes, Interaction},
};
use reqwest::{Client, Method, Response};
use serde_json::json;
use tokio::net::TcpStream;

use super::{Shelf, client, complaint, pieces, post, question, replay, streaming};
use crate::recordings::root;

/// Asks what was asked.
pub(super) async fn ask(client: &Client, url: &str, call: &Interaction) -> Response {
    let query = call.query.as_deref().map(|it| format!("?{it}")).unwrap_or_default();
    let url = format!("{url}{}{query}", call.path);
    let mut request = client.request(Method::from_bytes(call.method.as_bytes()).unwrap(), url);
    for (name, value) in &call.request_headers {
        request = request.header(name, value);
    }
    if !call.request.is_null() {
        request = request.body(call.request.to_string());
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn every_recording_survives_our_format_and_every_split() {
    let Some(root) = root() else { return };
    let start = Instant::now();
    // Making them reads the certificates of this machine.
    let (client, http) = (client(), Http::default());
    let calls = Cassettes::load(root).unwrap();
    let files = by_file(&calls);
    let (mut replayed, mut split) = (0, 0);
    for (file, calls) in files {
        let shelf = Shelf::new();
        let provider = Cassette::replay(file).start().await.unwrap();
        let builder = Cassette::record(shelf.path(), provider.url()).bytes_max(usize::MAX);
        let builder = builder.http(http.clone()).keep_media();
        let cassette = builder.start().await.unwrap();
        for call in &calls {
            let (recorded, whole) = pieces(ask(&client, &cassette.url(), call).await).await;
            assert!(whole && recorded.concat() == call.body, "{}", file.display());
        }
        cassette.finish();
        // Calls without JSON are left out.
        let _ = provider.try_finish();

        let streams = calls.iter().any(|call| call.is_stream());
        let builder = Cassette::replay(shelf.path()).bytes_max(usize::MAX);
        let builder = if streams { builder.split_every_byte() } else { builder };
        let cassette = builder.start().await.unwrap();
        for call in calls {
            let response = ask(&client, &cassette.url(), call).await;
            assert_eq!(response.status(), call.status, "{}", file.display());
            let (bytes, whole) = pieces(response).await;
            assert!(whole && bytes.concat() == call.body, "{}", file.display());
            assert!(!streams || bytes.len() == call.body.len(), "{}", file.display());
            replayed += 1;
            split += usize::from(call.is_stream());
        }
        cassette.finish();
    }
    println!("{replayed} calls, {split} of them streams, in {:?}", start.elapsed());
    assert!(split >= 29, "{split} streams only");
}

/// What makes a process of the test below the one without a network.
const INSIDE: &str = "ALULA_TEST_WITHOUT_NETWORK";

/// Replays what is committed where there is nothing but a loopback.
#[tokio::test]
async fn a_replay_needs_no_network() {
    const TEST: &str = "cassette::recorded::a_replay_needs_no_network";
    if is_inside() {
        return replay_all().await;
    }
    let without_network = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", script]);
        command
    };
    let may = without_network("ip link set lo up").output();
    if !may.is_ok_and(|it| it.status.success()) {
        return println!("skipped: nobody may make a namespace without a network here");
    }
    let mut command = without_network("ip link set lo up && exec \"$0\" \"$@\"");
    command.arg(env::current_exe().unwrap()).args(["--exact", TEST, "--nocapture"]);
    let output = command.env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[expect(clippy::disallowed_methods, reason = "a process of a test has no other configuration")]
fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

async fn replay_all() {
    // Of a network that is reserved for documentation.
    let elsewhere = TcpStream::connect("192.0.2.1:443").await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NetworkUnreachable);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassettes");
    let calls = Cassettes::load(folder).unwrap();
    let mut replayed = 0;
    for (file, calls) in by_file(&calls) {
        let cassette = Cassette::replay(file).start().await.unwrap();
        for call in calls {
            let (recorded, _) = pieces(ask(&client(), &cassette.url(), call).await).await;
            assert_eq!(recorded.concat(), call.body, "{}", file.display());
            replayed += 1;
        }
        cassette.finish();
    }
    assert!(replayed >= 4, "{replayed} calls only");
}

pub(super) fn by_file(calls: &Cassettes) -> BTreeMap<&Path, Vec<&Interaction>> {
    let mut files: BTreeMap<&Path, Vec<&Interaction>> = BTreeMap::new();
    for call in calls.iter() {
        files.entry(&call.file).or_default().push(call);
    }
    files
}

#[tokio::test]
async fn a_cassette_of_vcr_is_one() {
    let shelf = Shelf::new();
    let yaml = shelf.path().with_extension("yaml");
    fs::create_dir_all(yaml.parent().unwrap()).unwrap();
    fs::write(&yaml, VCR).unwrap();
    let cassette = replay(&yaml).await;
    let url = format!("{}/v1/y", cassette.url());
    let body = json!({"a": 2});
    assert_eq!(post(&url, &body).await.status(), 400);
    // The recording has no headers, and the call has.
    let body = json!({"a": 1});
    assert_eq!(post(&url, &body).await.text().await.unwrap(), "ok");
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.ends_with("/body/a: expected 1, got 2"), "{complaint}");
}

const VCR: &str = "
interactions:
- request: {method: POST, uri: 'https://x.example/v1/y', parsed_body: {a: 1}}
  response: {status: {code: 200}, body: {string: ok}}
";

#[tokio::test]
async fn a_folder_may_hold_both_forms_and_other_files() {
    let (shelf, server) = (Shelf::new(), streaming(&["data: 1\n\n"]).await);
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let body = question("Hi");
    pieces(post(&format!("{}/v1/chat/completions", cassette.url()), &body).await).await;
    cassette.finish();
    let dir = shelf.path().parent().unwrap().to_owned();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("vcr.yaml", VCR);
    write("compose.yaml", "services: {}\n");
    write("data.jsonl", "{\"question\": 1}\n");
    write("notes.txt", "nothing");

    let cassettes = Cassettes::load(&dir).unwrap();
    let found = cassettes.find("POST", "/v1/chat/completions", &body).unwrap();
    assert_eq!((&*found.body, found.arrivals.len()), (&b"data: 1\n\n"[..], 1));
    assert_eq!(cassettes.find("POST", "/v1/y", &json!({"a": 1})).unwrap().body, "ok");
    let skipped: Vec<String> = cassettes.skipped().iter().map(ToString::to_string).collect();
    let path = |name: &str| -> PathBuf { dir.join(name) };
    assert_eq!(
        skipped,
        [
            format!("{}: it has no list of interactions", path("compose.yaml").display()),
            format!(
                "{}:1: it is no cassette: the first line has no `cassette` version",
                path("data.jsonl").display()
            ),
        ]
    );

    // Nothing that can be read is an error.
    for name in ["x.jsonl", "vcr.yaml", "data.jsonl"] {
        fs::remove_file(path(name)).unwrap();
    }
    let error = Cassettes::load(&dir).unwrap_err();
    assert!(error.to_string().ends_with("it has no list of interactions"), "{error}");
    fs::remove_file(path("compose.yaml")).unwrap();
    assert!(Cassettes::load(&dir).unwrap().is_empty());
}

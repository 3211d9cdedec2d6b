//! `alula dev` over a new application: it is built again when it changes, and nothing is left of it.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::{
    new,
    process::{Alula, PATIENCE, Start, alula},
};

/// A build on a busy machine, the first of all that the application depends on.
const BUILD_PATIENCE: Duration = Duration::from_secs(900);

#[test]
fn a_program_follows_its_sources() {
    let root = new::make("dev-app");
    edit(&root, ".env", "#APP_REPLY_WORDS_MAX=200", "APP_REPLY_WORDS_MAX=10000");
    let dev = develop(&root).spawn();
    let address = ready(&dev, 1);
    assert!(get(address, "/health").contains("healthy"));

    // A new answer, although a client holds a stream open.
    let mut stream = open_stream(address);
    edit(&root, "src/routers/health.rs", "\"healthy\"", "\"changed\"");
    assert_eq!(ready(&dev, 2), address);
    assert!(get(address, "/health").contains("changed"));
    let mut rest = Vec::new();
    // It was cut off, long before its two and a half minutes.
    let _ = stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));

    // A mistake leaves the old answer.
    edit(&root, "src/routers/health.rs", "\"changed\"", "mistake");
    dev.prints(BUILD_PATIENCE, |text| text.contains("the program of before goes on").then_some(()));
    assert!(get(address, "/health").contains("changed"));
    edit(&root, "src/routers/health.rs", "mistake", "\"mended\"");
    ready(&dev, 3);
    assert!(get(address, "/health").contains("mended"));

    // Settings are sources, too; a program that does not start is waited for.
    edit(&root, ".env", "=dev-key", "=");
    dev.prints(BUILD_PATIENCE, |text| text.contains("has ended (exit status: 2)").then_some(()));
    edit(&root, ".env", "APP_API_KEYS=", "APP_API_KEYS=new-key");
    ready(&dev, 4);

    ends_without_a_trace(dev, &root, "INT");
    assert!(TcpStream::connect(address).is_err(), "the program still listens");
}

#[test]
fn a_signal_while_cargo_builds_leaves_nothing() {
    let root = new::make("dev-stopped");
    let dev = develop(&root).spawn();
    dev.prints(BUILD_PATIENCE, |text| text.contains("building dev-stopped").then_some(()));
    // Cargo is there: what runs in the folder of the application is no longer only we.
    wait_until(|| running_in(&root).len() > 1);
    ends_without_a_trace(dev, &root, "TERM");
}

#[test]
fn what_cannot_be_developed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ended = develop(folder.path()).end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("could not find `Cargo.toml`"), "{}", ended.stderr);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = alula(&["dev", "--port", &port]).within(folder.path()).end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("choose another with --port"), "{}", ended.stderr);
}

/// `alula dev` in a folder, with the artifacts of all applications in one place.
fn develop(root: &Path) -> Start {
    let mut start = alula(&["dev", "--port", "0"]).within(root);
    for (name, value) in new::cargo_variables() {
        start = start.env(name, value);
    }
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration to read")]
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Some(value) = env::var_os(name) {
            start = start.env(name, value);
        }
    }
    start
}

/// Waits until the program is ready for the `count`th time, and says where.
fn ready(dev: &Alula, count: usize) -> SocketAddr {
    dev.prints(BUILD_PATIENCE, |text| {
        let (_, rest) = text.split("ready in ").nth(count)?.split_once(" on http://")?;
        rest.contains("/docs\n").then(|| rest.split(';').next().unwrap().parse().unwrap())
    })
}

fn edit(root: &Path, file: &str, from: &str, to: &str) {
    let path = root.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} in {file}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An answer of many words, of which the first has come.
fn open_stream(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = format!("{{\"message\": \"{}\"}}", "w ".repeat(5000));
    write!(
        stream,
        "POST /chat/stream HTTP/1.1\r\nHost: test\r\nx-api-key: dev-key\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.windows(6).any(|part| part == b"data: ") {
        let mut part = [0; 256];
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&head));
        head.extend_from_slice(&part[..read]);
    }
    stream
}

fn ends_without_a_trace(mut dev: Alula, root: &Path, signal: &str) {
    dev.signal(signal);
    assert!(dev.ended().success());
    // What is killed may take a moment to be gone.
    wait_until(|| running_in(root).is_empty());
}

fn wait_until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it takes longer than {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The programs whose current directory is this one.
fn running_in(root: &Path) -> Vec<PathBuf> {
    let root = root.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|it| it.path());
    let here = processes.filter(|path| fs::read_link(path.join("cwd")).is_ok_and(|it| it == root));
    here.filter_map(|path| fs::read_link(path.join("exe")).ok()).collect()
}

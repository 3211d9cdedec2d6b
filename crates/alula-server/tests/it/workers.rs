//! Several processes: one that dies takes nothing with it, and all can be replaced under load.

use std::{
    collections::HashMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::process::{Alula, PATIENCE, alula, serve};

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// `alula serve` with four workers that all listen.
fn crew() -> Alula {
    // Long enough that a test which waits for the end of it fails, by the clock of [`PATIENCE`].
    let start =
        alula(&["serve", "--port", "0", "--workers", "4"]).env("ALULA_DRAIN_SECONDS", "600");
    let alula = start.listen();
    for number in 1..=4 {
        alula.logged(&format!("worker listens worker={number}"));
    }
    alula
}

fn signal_process(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.expect("there is a command `kill`").success());
}

/// Whether a process runs; one that has ended and is not reaped does not.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Waits for what comes soon.
async fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happens() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection that asks again and again.
struct Client {
    stream: TcpStream,
}

/// How a request went.
enum Asked {
    /// Answered, and the connection stays.
    Answered,
    /// Answered, and the server asks for another connection.
    Last,
    /// The connection ended before the answer.
    Lost,
}

impl Client {
    async fn connect(alula: &Alula) -> Self {
        Self { stream: TcpStream::connect(alula.address()).await.unwrap() }
    }

    async fn ask(&mut self) -> Asked {
        let exchange = async {
            self.stream.write_all(REQUEST).await?;
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                if self.stream.read_buf(&mut received).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            std::io::Result::Ok(String::from_utf8(received).unwrap())
        };
        match timeout(PATIENCE, exchange).await.expect("an answer in time") {
            Ok(answer) => {
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                match answer.contains("\r\nconnection: close\r\n") {
                    true => Asked::Last,
                    false => Asked::Answered,
                }
            }
            Err(_) => Asked::Lost,
        }
    }
}

/// Which worker a connection is with, by the kernel's account of who holds its other end.
fn worker_of(client: &Client, workers: &HashMap<usize, u32>) -> usize {
    let server = client.stream.peer_addr().unwrap().port();
    let port = client.stream.local_addr().unwrap().port();
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (format!(":{server:04X}"), format!(":{port:04X}"));
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let socket =
        sockets.lines().map(fields).find(|it| it[1].ends_with(&local) && it[2].ends_with(&remote));
    let inode = format!("socket:[{}]", socket.expect("the server's end")[9]);
    let holds = |pid: u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        fds.flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link.to_str() == Some(&inode)))
    };
    *workers.iter().find(|(_, pid)| holds(**pid)).expect("a worker").0
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_only_its_own_connections() {
    let alula = crew();
    let workers = alula.workers();
    let mut clients = HashMap::<usize, Vec<Client>>::new();
    for _ in 0..64 {
        let mut client = Client::connect(&alula).await;
        assert!(matches!(client.ask().await, Asked::Answered));
        clients.entry(worker_of(&client, &workers)).or_default().push(client);
    }
    assert_eq!(clients.len(), 4, "a worker has no connections");

    let killed = clients.remove(&2).unwrap();
    signal_process(workers[&2], "KILL");
    // Until another one is there, no new connection is refused or left without an answer.
    let start = Instant::now();
    while alula.workers()[&2] == workers[&2] {
        assert!(matches!(Client::connect(&alula).await.ask().await, Asked::Answered));
        assert!(start.elapsed() < PATIENCE, "the worker does not come back");
    }
    println!("another worker listens after {:?}", start.elapsed());
    for client in clients.values_mut().flatten() {
        assert!(matches!(client.ask().await, Asked::Answered), "of another worker");
    }
    for mut client in killed {
        assert!(matches!(client.ask().await, Asked::Lost));
    }
    assert_eq!(alula.end().code, Some(0));
}

#[tokio::test]
async fn a_worker_that_is_stuck_leaves_new_connections_to_the_others() {
    let alula = crew();
    let workers = alula.workers();
    // In this order the third of them has another that is stuck before it, and so on.
    for stuck in [3, 2, 4] {
        signal_process(workers[&stuck], "STOP");
        for _ in 0..40 {
            // Answered within [`PATIENCE`]; a worker that is stuck would not answer ever.
            assert!(matches!(Client::connect(&alula).await.ask().await, Asked::Answered));
        }
    }
    for stuck in [3, 2, 4] {
        signal_process(workers[&stuck], "CONT");
    }
}

/// Clients that ask without a pause, on connections that they use until they are asked not to.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(alula: &Arc<Alula>, clients: usize) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answers: Arc::default(),
            lost: Arc::default(),
            clients: JoinSet::new(),
        };
        for _ in 0..clients {
            let (stop, answers, lost) =
                (Arc::clone(&load.stop), Arc::clone(&load.answers), Arc::clone(&load.lost));
            let alula = Arc::clone(alula);
            load.clients.spawn(async move {
                let mut client = Client::connect(&alula).await;
                while !stop.load(SeqCst) {
                    match client.ask().await {
                        Asked::Answered => {}
                        Asked::Last => client = Client::connect(&alula).await,
                        Asked::Lost => {
                            lost.fetch_add(1, SeqCst);
                            client = Client::connect(&alula).await;
                        }
                    }
                    answers.fetch_add(1, SeqCst);
                }
            });
        }
        load
    }

    /// How many requests were answered, and how many lost.
    async fn end(mut self) -> (usize, usize) {
        self.stop.store(true, SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        (self.answers.load(SeqCst), self.lost.load(SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_are_replaced_under_load_and_no_request_is_lost() {
    let alula = Arc::new(crew());
    let before = alula.workers();
    let load = Load::start(&alula, 16);
    for round in 1..=3 {
        let (mark, seen) = ("all workers have had their turn", Arc::clone(&alula));
        alula.signal("HUP");
        until("all workers are replaced", || seen.count_logged(mark) == round).await;
    }
    let (answers, lost) = load.end().await;
    println!("{answers} requests, {lost} lost");
    assert_eq!(lost, 0, "of {answers}");
    let after = alula.workers();
    for (number, pid) in before {
        assert_ne!(after[&number], pid, "worker {number} is still the old one");
        assert!(!runs(pid), "the old worker {number} still runs");
    }
}

#[tokio::test]
async fn a_replacement_that_does_not_start_changes_nothing() {
    // The executable is gone when it is needed again.
    let dir = tempdir();
    let copy = dir.0.join("alula");
    std::fs::copy(env!("CARGO_BIN_EXE_alula"), &copy).unwrap();
    let alula = crate::process::program(&copy, &["serve", "--port", "0", "--workers", "2"]);
    let alula = alula.listen();
    alula.logged("worker listens worker=2");
    let before = alula.workers();
    std::fs::remove_file(&copy).unwrap();
    alula.signal("HUP");
    alula.logged("all workers have had their turn");
    assert_eq!(alula.count_logged("worker cannot be replaced"), 2, "before the last word");
    assert_eq!(alula.workers(), before);
    assert!(matches!(Client::connect(&alula).await.ask().await, Asked::Answered));
    assert_eq!(alula.end().code, Some(0));
}

#[tokio::test]
async fn workers_do_not_outlive_their_supervisor() {
    let mut alula = crew();
    let workers = alula.workers();
    let _idle = Client::connect(&alula).await;
    alula.signal("KILL");
    alula.ended();
    until("the workers end", || workers.values().all(|pid| !runs(*pid))).await;
    assert!(TcpStream::connect(alula.address()).await.is_err(), "somebody still listens");
}

#[tokio::test]
async fn a_signal_stops_all_workers() {
    for signal in ["TERM", "INT"] {
        let mut alula = crew();
        let workers = alula.workers();
        alula.signal(signal);
        assert_eq!(alula.ended().code(), Some(0));
        assert!(workers.values().all(|pid| !runs(*pid)));
        until("four goodbyes", || alula.count_logged("worker stopped") == 4).await;
    }
}

#[tokio::test]
async fn one_worker_can_be_told_to_stop_and_another_takes_its_place() {
    let alula = crew();
    let before = alula.workers();
    signal_process(before[&1], "TERM");
    until("another one listens", || alula.workers()[&1] != before[&1]).await;
    assert!(matches!(Client::connect(&alula).await.ask().await, Asked::Answered));
}

#[test]
fn what_a_worker_starts_gets_nothing_of_its_supervisor() {
    const CLOSED_ON_EXEC: u32 = 0o2_000_000;
    let alula = crew();
    for pid in alula.workers().values() {
        let process = std::path::PathBuf::from(format!("/proc/{pid}"));
        let input = std::fs::read_link(process.join("fd/0")).unwrap();
        assert_eq!(input.to_str(), Some("/dev/null"));
        let mut sockets = 0;
        for fd in std::fs::read_dir(process.join("fd")).unwrap().flatten() {
            let leads_to = std::fs::read_link(fd.path()).unwrap_or_default();
            if leads_to.to_string_lossy().starts_with("socket:") {
                let info = process.join("fdinfo").join(fd.file_name());
                let info = std::fs::read_to_string(info).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
                assert_ne!(flags & CLOSED_ON_EXEC, 0, "{leads_to:?}");
                sockets += 1;
            }
        }
        assert!(sockets > 4, "four that listen, and the channel");
    }
    assert_eq!(alula.end().code, Some(0));
}

#[test]
fn one_greeting_stands_for_all_workers() {
    let alula = crew();
    let ended = alula.end();
    assert_eq!(ended.stdout.matches("Alula ").count(), 1, "{}", ended.stdout);
}

#[test]
fn a_port_is_not_shared_with_another_server() {
    let first = crew();
    let port = first.address().port().to_string();
    for workers in ["1", "2"] {
        let second = alula(&["serve", "--port", &port, "--workers", workers]).end();
        assert_eq!(second.code, Some(1), "{second:?}");
        assert!(second.stderr.contains("--port"), "{second:?}");
        assert_eq!(second.stdout, "");
    }
}

#[test]
fn a_worker_without_its_supervisor_is_refused() {
    let stray = serve().env("ALULA_WORKERS", "2").env("ALULA_WORKER", "1");
    let dir = tempdir();
    let database = format!("sqlite://{}", dir.0.join("alula.db").display());
    let ended = stray.env("ALULA_SUPERVISOR", "1").env("DATABASE_URL", database).end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("ALULA_SUPERVISOR"), "{ended:?}");
}

#[test]
fn the_number_of_workers_has_bounds() {
    for workers in ["0", "-1", "129", "many"] {
        let ended = alula(&["serve", &format!("--workers={workers}")]).end();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--workers"), "{ended:?}");
    }
}

#[test]
fn workers_without_a_database_that_they_can_share_are_refused() {
    let start = alula(&["serve", "--port", "0", "--workers", "2"]);
    let ended = start.env("DATABASE_URL", "sqlite::memory:").end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL is in memory"), "{ended:?}");
}

struct TempDir(std::path::PathBuf);

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempdir() -> TempDir {
    let name = format!("alula-workers-{}", std::process::id());
    let dir = TempDir(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    std::fs::create_dir_all(&dir.0).unwrap();
    dir
}

//! Uploads to a server in a process of its own, whose memory and files can be looked at.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use alula::{
    BodyStream, FormLimits,
    prelude::*,
    serve::{Limits, Server, Shutdown},
};
use futures_util::TryStreamExt as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

/// Longer than anything here takes, also on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

const MB: usize = 1_000_000;

#[derive(Deserialize, JsonSchema, Validate)]
struct One {
    file: UploadFile,
}

#[post("/upload", max_body = 1000 * MB)]
async fn upload(Multipart(One { file }): Multipart<One>) -> Json<(u64, bool)> {
    Json((file.size(), file.is_in_memory()))
}

#[post("/small", max_body = 1000 * MB, form_limits = FormLimits::default().file_bytes(2_000_000))]
async fn small(Multipart(One { file }): Multipart<One>) -> Json<u64> {
    Json(file.size())
}

#[post("/stream", max_body = 1000 * MB)]
async fn streamed(mut body: BodyStream) -> Result<Json<usize>> {
    let mut size = 0;
    while let Some(piece) = body.try_next().await? {
        size += piece.len();
    }
    Ok(Json(size))
}

/// The server: prints its address, and ends with its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests run it in a process of its own"]
async fn server() {
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    println!("\nlistening on {}", server.local_addr());
    std::io::stdout().flush().unwrap();
    let app = App::new("Uploads", "1").routes(routes![upload, small, streamed]);
    let shutdown = Shutdown::new();
    let end = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.trigger();
    });
    app.serve_on(server, shutdown).await.unwrap();
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    async fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "forms::process::server", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
            if let Some(address) = line.expect("an address").strip_prefix("listening on ") {
                return Self { child, address: address.to_owned() };
            }
        }
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id().unwrap()))
    }

    /// The most memory that the process ever had, in bytes.
    fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// How many files without a name the process has open.
    fn unnamed_files(&self) -> usize {
        let links = std::fs::read_dir(self.proc("fd")).unwrap();
        let target =
            |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        let deleted = |path: &PathBuf| path.to_string_lossy().ends_with("(deleted)");
        links.filter_map(target).filter(deleted).count()
    }

    /// Waits until the process has this many files without a name open; the kernel sends no word.
    async fn until_unnamed_files(&self, count: usize) {
        let start = Instant::now();
        while self.unnamed_files() != count {
            assert!(start.elapsed() < PATIENCE, "{} instead of {count}", self.unnamed_files());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Begins a form with one file of this size, and sends no content.
    async fn begin(&self, path: &str, size: usize) -> TcpStream {
        let length = START.len() + size + END.len();
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\nconnection: close\r\n\
             content-type: multipart/form-data; boundary=B\r\n\r\n{START}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Sends such a form while it waits for the answer; the answer, and how much was sent.
    async fn send(&self, path: &str, size: usize) -> (String, usize) {
        let (mut read, mut write) = self.begin(path, size).await.into_split();
        let mut sent = 0;
        let sending = async {
            while sent < size {
                let piece = &PIECE[..PIECE.len().min(size - sent)];
                write.write_all(piece).await?;
                sent += piece.len();
            }
            write.write_all(END.as_bytes()).await
        };
        let mut answer = String::new();
        let receiving = read.read_to_string(&mut answer);
        tokio::pin!(sending, receiving);
        // A client such as this one stops when it is answered.
        let result = tokio::select! {
            result = &mut receiving => result,
            _ = &mut sending => timeout(PATIENCE, receiving).await.unwrap(),
        };
        result.unwrap_or_else(|error| panic!("{error} after {sent} bytes"));
        (answer, sent)
    }
}

const START: &str =
    "--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n";
const END: &str = "\r\n--B--\r\n";
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

#[tokio::test]
async fn a_large_upload_takes_little_memory() {
    const SIZE: usize = 500 * MB;
    let server = Process::start().await;
    server.send("/upload", MB).await;
    let whole = (START.len() + SIZE + END.len()).to_string();
    for (path, expected) in [("/upload", "[500000000,false]"), ("/stream", &whole)] {
        let before = server.peak_memory();
        let start = Instant::now();
        let (answer, sent) = server.send(path, SIZE).await;
        let (took, memory) = (start.elapsed(), server.peak_memory() - before);
        println!("{path}: {took:.1?}, {:.1} MB more memory", memory as f64 / 1e6);
        assert!(answer.ends_with(expected), "{answer}");
        assert_eq!(sent, SIZE);
        assert!(memory < 32 * MB, "{path}: {memory} bytes more");
    }
    server.until_unnamed_files(0).await;
}

#[tokio::test]
async fn an_upload_over_its_limit_is_413_while_it_is_sent() {
    let server = Process::start().await;
    let (answer, sent) = server.send("/small", 900 * MB).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with(r#"{"detail":"The file `file` is larger than 2000000 bytes"}"#));
    // Beside what the server read: what the kernel holds, and what is thrown away while it answers.
    println!("sent {:.1} MB before the answer", sent as f64 / 1e6);
    assert!(sent < 900 * MB, "the client sent everything");
    // One that announces to be too large sends next to nothing.
    let (answer, _) = server.send("/upload", 1000 * MB).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    server.until_unnamed_files(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_temporary_file_along() {
    let server = Process::start().await;
    let mut stream = server.begin("/upload", 100 * MB).await;
    for _ in 0..100 {
        stream.write_all(&PIECE).await.unwrap();
    }
    server.until_unnamed_files(1).await;
    drop(stream);
    server.until_unnamed_files(0).await;
}

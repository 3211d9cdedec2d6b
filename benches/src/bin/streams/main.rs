//! What an open stream costs: memory of the server per idle stream of server-sent events.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints its figures")]

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use alula::{App, Limits, Shutdown, Sse, Stream, get};
use alula_benches::server::{Server, stdin_closed};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

/// Opens idle streams and measures what each costs the server in memory.
#[derive(Debug, Parser)]
struct Options {
    /// Where the figures go, as JSON.
    #[arg(long, required_unless_present = "serve")]
    output: Option<PathBuf>,
    /// How many streams to open; each needs a file in this process and one in the server.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=60_000))]
    streams: u32,
    /// Be the server until standard input is closed.
    #[arg(long, hide = true)]
    serve: bool,
}

/// How long one stream may take to open.
const OPEN_TIME: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streams: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let runtime = Runtime::new()?;
    if options.serve {
        return runtime.block_on(serve());
    }
    let server = Server::start(Command::new(std::env::current_exe()?).arg("--serve"), 1)?;
    let figures = runtime.block_on(measure(&server, options.streams))?;
    if let Some(output) = &options.output {
        let folder = output.parent().context("the output has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(output, format!("{figures:#}\n"))?;
    }
    Ok(())
}

/// A stream that says one word and then nothing, as a model that thinks.
async fn quiet() -> Sse<impl Stream<Item = &'static str>> {
    Sse::new(OneWord(Some("hello")))
}

struct OneWord(Option<&'static str>);

impl Stream for OneWord {
    type Item = &'static str;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(word) => std::task::Poll::Ready(Some(word)),
            None => std::task::Poll::Pending,
        }
    }
}

async fn serve() -> Result<()> {
    let server = alula::Server::bind("127.0.0.1:0", Limits::default()).await?;
    println!("{}", server.local_addr());
    let shutdown = Shutdown::new();
    let app = App::new("Streams", "1.0.0").route(get("/", quiet));
    let serving = app.serve_on(server, shutdown.clone());
    let stop = async {
        stdin_closed().await;
        shutdown.end_now();
    };
    let (served, ()) = tokio::join!(serving, stop);
    Ok(served?)
}

async fn measure(server: &Server, streams: u32) -> Result<serde_json::Value> {
    let resident = || server.resident_bytes().context("the memory of the server is not known");
    let idle = resident()?;
    let mut open = Vec::new();
    let mut rows = Vec::new();
    for count in [streams / 2, streams] {
        while open.len() < count as usize {
            let opened = timeout(OPEN_TIME, open_stream(server.address())).await;
            open.push(opened.context("a stream did not open in time")??);
        }
        let bytes = resident()?.saturating_sub(idle) / u64::from(count);
        println!("{count:>7} idle streams: {:.1} KiB each", bytes as f64 / 1024.0);
        rows.push(json!({ "streams": count, "bytes_per_stream": bytes }));
    }
    Ok(json!({ "resident_bytes_without_streams": idle, "measured": rows }))
}

/// Opens a stream and reads up to its first word.
async fn open_stream(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"data: \"hello\"\n\n\r\n") {
        let mut space = [0; 1024];
        let read = stream.read(&mut space).await?;
        ensure!(read > 0, "the server closed a stream: {}", String::from_utf8_lossy(&answer));
        answer.extend(space.iter().take(read));
    }
    Ok(stream)
}

//! Many streams at a time: how late each token is, and what a stream costs.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use alula_benches::{figures::percentile, server::Server};
use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep_until, timeout_at},
};

use crate::wire::{TOKEN_GAP_MS, TOKENS, now_us, tokens};

/// Over which time the streams are opened. All of them are open then for some time.
const OPEN_TIME: Duration = Duration::from_secs(2);

/// A stream that has not ended so long after the last was opened is broken.
const REST_TIME: Duration = Duration::from_secs(25);

/// The most bytes of an answer's beginning, and of a piece of it.
const PIECE_BYTES: usize = 4096;

/// What came of many streams.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Streams {
    pub(crate) streams: usize,
    /// Streams that did not end, or lacked tokens.
    pub(crate) broken: usize,
    /// From the moment the mock wrote a token to the moment it was read.
    pub(crate) late_p50_ms: f64,
    pub(crate) late_p99_ms: f64,
    pub(crate) first_token_p50_ms: f64,
    pub(crate) first_token_p99_ms: f64,
    /// Memory for each stream beyond that of the idle server.
    pub(crate) kib_per_stream: Option<f64>,
    /// Processor time of the server for each token.
    pub(crate) cpu_us_per_token: Option<f64>,
}

impl Streams {
    /// Whether a server that does this shall not be asked for more.
    pub(crate) fn falls_over(&self) -> bool {
        self.broken * 100 > self.streams || self.late_p99_ms > 1000.0
    }
}

/// What was read of a stream.
#[derive(Debug, Default)]
struct Read {
    first_token_ms: f64,
    late_ms: Vec<f64>,
}

/// Holds so many streams. `server` is the one whose memory and time count, if any does.
pub(crate) async fn hold(
    address: SocketAddr,
    request: &Arc<[u8]>,
    streams: usize,
    server: Option<(&Server, u64)>,
) -> Result<Streams> {
    let start = Instant::now();
    let end = start + OPEN_TIME + REST_TIME;
    let cpu_before = server.and_then(|(server, _)| server.cpu_time());
    let mut open = JoinSet::new();
    for number in 0..streams {
        let number = u32::try_from(number)?;
        let due = OPEN_TIME.mul_f64(f64::from(number) / streams as f64);
        sleep_until((start + due).into()).await;
        open.spawn(timeout_at(end.into(), read(address, Arc::clone(request))));
    }
    // Half way to the end of the first stream, when all are open.
    let whole = Duration::from_millis(TOKEN_GAP_MS) * (TOKENS - 1);
    sleep_until((start + (OPEN_TIME + whole) / 2).into()).await;
    let memory =
        server.and_then(|(server, idle)| Some(server.memory_bytes()?.saturating_sub(idle)));

    let mut whole = Vec::new();
    while let Some(stream) = open.join_next().await {
        if let Ok(Ok(read)) = stream.context("a stream stopped")? {
            whole.push(read);
        }
    }
    let cpu = server.and_then(|(server, _)| server.cpu_time()).zip(cpu_before);
    let mut late: Vec<f64> = whole.iter().flat_map(|read| &read.late_ms).copied().collect();
    let mut first: Vec<f64> = whole.iter().map(|read| read.first_token_ms).collect();
    Ok(Streams {
        streams,
        broken: streams - whole.len(),
        late_p50_ms: percentile(&mut late, 0.50),
        late_p99_ms: percentile(&mut late, 0.99),
        first_token_p50_ms: percentile(&mut first, 0.50),
        first_token_p99_ms: percentile(&mut first, 0.99),
        kib_per_stream: memory.map(|bytes| bytes as f64 / 1024.0 / streams as f64),
        cpu_us_per_token: cpu.filter(|_| !late.is_empty()).map(|(after, before)| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / late.len() as f64
        }),
    })
}

/// Opens a stream and reads it to its end.
async fn read(address: SocketAddr, request: Arc<[u8]>) -> Result<Read> {
    let sent = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request).await?;
    let mut read = Read::default();
    let mut bytes = Vec::with_capacity(PIECE_BYTES);
    let mut is_done = false;
    while !is_done {
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the stream was cut");
        let now = now_us();
        if read.late_ms.is_empty() {
            read.first_token_ms = sent.elapsed().as_secs_f64() * 1e3;
        }
        is_done = memmem::find(&bytes, b"data: [DONE]").is_some();
        let used = tokens(&bytes, |written| {
            read.late_ms.push(now.saturating_sub(written) as f64 / 1e3);
        });
        bytes.drain(..used);
        if bytes.len() > 4 * PIECE_BYTES {
            bail!("the stream holds something else");
        }
    }
    ensure!(read.late_ms.len() == TOKENS as usize, "tokens are missing");
    // What ends the last chunk, so that the server does not see a client that leaves early.
    while !bytes.ends_with(b"0\r\n\r\n") && stream.read_buf(&mut bytes).await? > 0 {}
    Ok(read)
}

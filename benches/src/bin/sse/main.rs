//! How fast server-sent events are decoded, next to the crate that most clients use.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints its figures")]

use std::{
    convert::Infallible, fs, hint::black_box, path::PathBuf, process::ExitCode, time::Instant,
};

use alula_benches::{figures::median, machine};
use alula_llm::sse::{Decoder, EventStream, Frame};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use eventsource_stream::Eventsource as _;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use serde_json::{Value, json};

/// Decodes streams of chat completions.
#[derive(Debug, Parser)]
struct Options {
    /// Where the figures go, as JSON.
    #[arg(long)]
    output: PathBuf,
    /// How often the decoders take turns.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

/// The size of a stream, about.
const STREAM_BYTES: usize = 4 << 20;
/// The limit of an event, as for a provider's answer.
const EVENT_BYTES_MAX: usize = 8 << 20;
const MEGABYTE: f64 = 1e6;

/// A stream as it comes from a connection.
struct Corpus {
    name: &'static str,
    chunks: Vec<Bytes>,
    events: usize,
    bytes: usize,
}

impl Corpus {
    /// The event again and again, in pieces of this size, or each in its own.
    fn new(name: &'static str, event: &str, piece: Option<usize>) -> Self {
        let events = STREAM_BYTES / event.len();
        let bytes = Bytes::from(event.repeat(events));
        let size = piece.unwrap_or(event.len());
        let chunks = (0..bytes.len())
            .step_by(size)
            .map(|start| bytes.slice(start..bytes.len().min(start + size)))
            .collect();
        Self { name, chunks, events, bytes: bytes.len() }
    }

    fn stream(&self) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        stream::iter(self.chunks.iter().cloned().map(Ok))
    }
}

fn corpora() -> [Corpus; 4] {
    let chunk = json!({
        "id": "chatcmpl-BqZ8Yk3x1vQm4sT7uWc2nE5rA9dLp", "object": "chat.completion.chunk",
        "created": 1_751_900_000, "model": "gpt-4o-mini-2024-07-18", "service_tier": "default",
        "system_fingerprint": "fp_62a23a81ef",
        "choices": [{"index": 0, "delta": {"content": " feather"}, "logprobs": null,
            "finish_reason": null}],
    });
    let delta = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": " feather"}});
    let openai = format!("data: {chunk}\n\n");
    let anthropic = format!("event: content_block_delta\ndata: {delta}\n\n");
    [
        Corpus::new("chat chunks, 16 KiB at once", &openai, Some(16 << 10)),
        Corpus::new("chat chunks, each by itself", &openai, None),
        Corpus::new("chat chunks, 100 bytes at once", &openai, Some(100)),
        Corpus::new("message events, 16 KiB at once", &anthropic, Some(16 << 10)),
    ]
}

/// What decodes.
#[derive(Clone, Copy)]
struct Subject {
    name: &'static str,
    /// Decodes all and counts the events.
    decode: fn(&Corpus) -> usize,
}

const SUBJECTS: [Subject; 3] = [
    Subject { name: "alula_llm::sse::Decoder", decode: by_decoder },
    Subject { name: "alula_llm::sse::EventStream", decode: by_stream },
    Subject { name: "eventsource-stream", decode: by_peer },
];

fn by_decoder(corpus: &Corpus) -> usize {
    let mut decoder = Decoder::new(EVENT_BYTES_MAX);
    let mut events = 0;
    for chunk in &corpus.chunks {
        decoder.push(chunk);
        while let Ok(Some(frame)) = decoder.next() {
            events += usize::from(matches!(black_box(frame), Frame::Event(_)));
        }
    }
    events
}

fn by_stream(corpus: &Corpus) -> usize {
    count(EventStream::new(corpus.stream(), EVENT_BYTES_MAX))
}

fn by_peer(corpus: &Corpus) -> usize {
    count(corpus.stream().eventsource())
}

/// Counts what comes; nothing is ever waited for.
fn count<T>(events: impl Stream<Item = T>) -> usize {
    let all = events.fold(0, |count, event| {
        black_box(event);
        std::future::ready(count + 1)
    });
    all.now_or_never().unwrap_or_default()
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if !machine::pin_self(0) {
        println!("Nothing is pinned to a core.");
    }
    let figures = corpora().into_iter().map(|corpus| measure(&corpus, options.rounds));
    let figures: Vec<Value> = figures.collect::<Result<_>>()?;
    let folder = options.output.parent().context("the output has a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(&options.output, serde_json::to_string_pretty(&figures)?)?;
    Ok(())
}

/// Lets the decoders take turns over one stream.
fn measure(corpus: &Corpus, rounds: u32) -> Result<Value> {
    for subject in SUBJECTS {
        let events = (subject.decode)(corpus);
        ensure!(events == corpus.events, "{} found {events} events", subject.name);
    }
    let mut times = vec![Vec::new(); SUBJECTS.len()];
    for round in 0..rounds as usize {
        for turn in 0..SUBJECTS.len() {
            let index = (round + turn) % SUBJECTS.len();
            if let (Some(subject), Some(times)) = (SUBJECTS.get(index), times.get_mut(index)) {
                let started = Instant::now();
                black_box((subject.decode)(corpus));
                times.push(started.elapsed().as_secs_f64());
            }
        }
    }
    println!("\n{} ({} events, {} bytes)", corpus.name, corpus.events, corpus.bytes);
    let peer = times.last().cloned().unwrap_or_default();
    let rows = SUBJECTS.iter().zip(&times).map(|(subject, times)| {
        let ratio = median(peer.iter().zip(times).map(|(peer, own)| peer / own));
        #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
        let megabytes = corpus.bytes as f64 / MEGABYTE / median(times.iter().copied());
        println!("  {:<30} {megabytes:>8.0} MB/s {ratio:>7.2} x", subject.name);
        json!({"decoder": subject.name, "megabytes_per_second": megabytes, "ratio": ratio})
    });
    let rows: Vec<Value> = rows.collect();
    Ok(json!({"stream": corpus.name, "events": corpus.events, "decoders": rows}))
}

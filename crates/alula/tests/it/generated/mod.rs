//! Requests generated from our own OpenAPI document: valid ones, ones at the boundaries, and ones
//! that are wrong in every way. No answer may be a panic or a 5xx, and none may break a promise of
//! the document.
//!
//! `cargo xtask generated --count N` runs more of them. A failure names its seed and its number,
//! with which the same request is made again.

mod document;
mod judge;
mod mutation;
mod random;
mod request;
mod value;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Instant,
};

use serde_json::Value;

use self::{document::Document, judge::Tally, random::Random};
use crate::{kitchen, tool};

/// Requests in a normal run of the tests.
const COUNT: u64 = 2_000;

/// Requests that one thread takes at a time.
const BATCH: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let text = tool::setting(name)?;
    Some(text.to_string_lossy().parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn no_request_gets_an_answer_that_the_document_does_not_promise() {
    let count = number("ALULA_GENERATED_COUNT").unwrap_or(COUNT);
    let seed = number("ALULA_GENERATED_SEED").unwrap_or(1);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let document = kitchen::app().openapi().unwrap();
    let (next, start) = (AtomicU64::new(0), Instant::now());
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let work = || scope.spawn(|| work(&document, seed, count, &next));
        let workers: Vec<_> = (0..threads).map(|_| work()).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let tally = tallies.into_iter().fold(Tally::default(), Tally::and);
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} requests with seed {seed} in {seconds:.1} s: {tally}");
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert_eq!(tally.requests(), count);
    assert!(tally.accepted * 5 > count, "too few requests are accepted: {tally}");
}

/// Takes batches of requests until there are none left, or something is wrong.
fn work(document: &Value, seed: u64, count: u64, next: &AtomicU64) -> Tally {
    let document = Document::new(document);
    let mut tally = Tally::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = kitchen::app().client().await;
        loop {
            let first = next.fetch_add(BATCH, Relaxed);
            if first >= count || !tally.failures.is_empty() {
                break;
            }
            for number in first..(first + BATCH).min(count) {
                let sent = request::generate(&document, &mut Random::new(seed, number));
                let response = client.send(sent.to_http()).await;
                if let Err(wrong) = tally.judge(&document, &sent, &response) {
                    let answer = String::from_utf8_lossy(response.bytes());
                    let failure = format!(
                        "{wrong}\nseed {seed}, request {number}: {sent}\n{} {answer:.500}",
                        response.status()
                    );
                    tally.failures.push(failure);
                    break;
                }
            }
        }
    });
    tally
}

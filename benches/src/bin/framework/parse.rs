//! What validation adds to parsing.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use alula::Validate as _;
use alula_benches::figures::median;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::chat::{Body, Chat};

/// Pairs of batches; each pair is one after the other, so that drift hits both.
const PAIRS: usize = 400;
/// How long one batch takes.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// The time of `serde_json::from_slice` alone, and with the check of Alula's happy path.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) body: &'static str,
    pub(crate) parse_us: f64,
    pub(crate) checked_us: f64,
    /// The median of the pairs' ratios.
    pub(crate) ratio: f64,
}

impl Figures {
    pub(crate) fn measure(body: &Body) -> Result<Self> {
        let json = body.json.as_bytes();
        let checked =
            || serde_json::from_slice::<Chat>(black_box(json)).is_ok_and(|it| it.is_valid());
        let parse = || serde_json::from_slice::<Chat>(black_box(json)).is_ok();
        ensure!(parse() && checked(), "the body is not valid");

        let once = batch_us(100, parse);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        let count = (BATCH_TIME.as_secs_f64() * 1e6 / once).ceil() as u32;
        let pairs: Vec<(f64, f64)> = (0..PAIRS)
            .map(|pair| {
                if pair % 2 == 0 {
                    (batch_us(count, parse), batch_us(count, checked))
                } else {
                    let checked_us = batch_us(count, checked);
                    (batch_us(count, parse), checked_us)
                }
            })
            .collect();
        Ok(Self {
            body: body.name,
            parse_us: median(pairs.iter().map(|(parse, _)| *parse)),
            checked_us: median(pairs.iter().map(|(_, checked)| *checked)),
            ratio: median(pairs.iter().map(|(parse, checked)| checked / parse)),
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "body": self.body,
            "from_slice_us": self.parse_us,
            "from_slice_and_is_valid_us": self.checked_us,
            "ratio": self.ratio,
        })
    }
}

/// Microseconds for one call, over a batch of them.
fn batch_us<T>(count: u32, call: impl Fn() -> T) -> f64 {
    let started = Instant::now();
    for _ in 0..count {
        black_box(call());
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

//! `chaos contention`: processes that enqueue as fast as they can, and one that takes jobs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alula_jobs::{
    Clock, Store,
    store::{Ask, AskQueue, End, Next, QueueLimits},
};
use anyhow::{Context as _, Result, ensure};
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    log,
    options::Options,
    place::{self, Place},
    role::Role,
    work,
};

const ENQUEUERS: usize = 4;
/// How many jobs are taken at once.
const COUNT: u32 = 16;
/// What a claim may take in all but one of a hundred.
const AIM: Duration = Duration::from_millis(200);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let place = Place::new(options.store)?;
    let store = place::open_store(&place.address()).await?;
    let log = place.file("enqueued");
    let hot = Role::Hot { address: place.address(), log: log.clone() };
    let mut fleet = Fleet::start(std::iter::repeat_n(hot, ENQUEUERS), 0)?;
    let (mut took, mut claimed) = (Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < options.time {
        let asked = Instant::now();
        let count = claim(&*store, &mut took, asked).await?;
        claimed += count;
        if count == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    ensure!(fleet.alive() == ENQUEUERS, "an enqueuer has ended by itself");
    drop(fleet);
    let enqueued = log::read(&log)?.len();
    took.sort_unstable();
    let at = |part: usize| took.get((took.len() * part / 1_000).min(took.len().saturating_sub(1)));
    let [half, most, last] = [500, 990, 1_000].map(at);
    let most = *most.context("nothing was claimed")?;
    println!(
        "claim: p50 {:.1?}, p99 {most:.1?} (aim {AIM:?}), max {:.1?} of {}; {enqueued} enqueued by \
         {ENQUEUERS} processes, {claimed} done, in {:?}; {:?}",
        half.copied().unwrap_or_default(),
        last.copied().unwrap_or_default(),
        took.len(),
        options.time,
        options.store,
    );
    ensure!(enqueued > 0 && most < AIM, "claims waited too long");
    Ok(())
}

/// Takes jobs, notes how long that took, and ends them.
async fn claim(store: &dyn Store, took: &mut Vec<Duration>, asked: Instant) -> Result<usize> {
    let now = Clock::system().now();
    let queues = [AskQueue { name: "default", count: COUNT, limits: QueueLimits::default() }];
    let until = now + Duration::from_secs(30);
    let ask = Ask { worker: "chaos", until, queues: &queues, names: &[work::ITEM] };
    let claims = store.claim(&ask, now).await?;
    took.push(asked.elapsed());
    let done = || Next::Done(RawValue::NULL.to_owned());
    let ends: Vec<End> =
        claims.into_iter().map(|claim| End { claim: Arc::new(claim), next: done() }).collect();
    if !ends.is_empty() {
        store.finish(&ends, now).await?;
    }
    Ok(ends.len())
}

//! Latency at a fixed rate: requests go out when their time has come, however late others are.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use alula_benches::{figures::percentile, http::Connection};
use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::wire::is_answer;

/// Requests under way at which a server does not keep up.
const BACKLOG_MAX: usize = 1000;

/// How long the last answers may take.
const REST_TIME: Duration = Duration::from_secs(5);

/// A connection that is idle for longer may be closed by the server.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// The share of requests that only warm up.
const WARM_UP: f64 = 0.15;

/// Milliseconds from a request to its answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// The latency at so many requests per second; `None` if the server does not keep up.
pub(crate) async fn at_rate(
    address: SocketAddr,
    request: &Arc<[u8]>,
    rate: u32,
    time: Duration,
) -> Result<Option<Latency>> {
    let mut calls = JoinSet::new();
    let mut idle: Vec<(Connection, Instant)> = Vec::new();
    let mut latencies = Vec::new();
    let (interval, start) = (Duration::from_secs(1) / rate, Instant::now());
    let mut due = start;
    while due < start + time {
        sleep_until(due.into()).await;
        while let Some(call) = calls.try_join_next() {
            let (connection, sent, latency) = call??;
            idle.push((connection, sent));
            latencies.push((sent, latency));
        }
        if calls.len() > BACKLOG_MAX {
            return Ok(None);
        }
        let fresh = idle.pop().filter(|(_, used)| used.elapsed() < IDLE_TIME);
        let connection = fresh.map(|(connection, _)| connection);
        calls.spawn(call(address, connection, Arc::clone(request)));
        due += interval;
    }
    let rest = async {
        while let Some(call) = calls.join_next().await {
            let (_, sent, latency) = call??;
            latencies.push((sent, latency));
        }
        anyhow::Ok(())
    };
    match timeout(REST_TIME, rest).await {
        Ok(all) => all?,
        Err(_) => return Ok(None),
    }
    let counted = start + time.mul_f64(WARM_UP);
    let mut counted: Vec<f64> = latencies
        .into_iter()
        .filter(|(sent, _)| *sent >= counted)
        .map(|(_, latency)| latency.as_secs_f64() * 1e3)
        .collect();
    let p50_ms = percentile(&mut counted, 0.50);
    Ok(Some(Latency { p50_ms, p99_ms: percentile(&mut counted, 0.99) }))
}

async fn call(
    address: SocketAddr,
    connection: Option<Connection>,
    request: Arc<[u8]>,
) -> Result<(Connection, Instant, Duration)> {
    let sent = Instant::now();
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(address).await?,
    };
    let response = connection.send(&request).await?;
    let latency = sent.elapsed();
    ensure!(response.status == 200, "the server answered {}", response.status);
    ensure!(is_answer(response.body), "the server answered something else");
    Ok((connection, sent, latency))
}

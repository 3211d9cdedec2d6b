//! Load on a server: as many requests as it answers, over a fixed number of connections.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use crate::{figures::percentile, http::Connection};

/// How much load, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Time before anything is counted.
    pub warm_up: Duration,
    /// Time that is counted.
    pub time: Duration,
}

/// What a server did under load.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Answers within the counted time.
    pub requests: usize,
    /// Answers per second.
    pub requests_per_second: f64,
    /// The time within which half of the answers came, in milliseconds.
    pub p50_ms: f64,
    /// The time within which 99 of 100 answers came, in milliseconds.
    pub p99_ms: f64,
}

/// Sends the same request over and over; `counting` is called when the counted time starts.
///
/// # Errors
///
/// If a connection fails, or an answer has another status than 200 or a body that is not
/// `expected`.
pub async fn run(
    address: SocketAddr,
    request: Vec<u8>,
    expected: impl Fn(&[u8]) -> bool + Clone + Send + 'static,
    plan: Plan,
    counting: impl FnOnce(),
) -> Result<Outcome> {
    let request: Arc<[u8]> = request.into();
    let start = Instant::now() + plan.warm_up;
    let end = start + plan.time;
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        workers.spawn(work(address, Arc::clone(&request), expected.clone(), start, end));
    }
    tokio::time::sleep_until(start.into()).await;
    counting();
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker.context("a connection of the load stopped")??);
    }
    ensure!(!latencies.is_empty(), "the server answered nothing");
    let requests = latencies.len();
    Ok(Outcome {
        requests,
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
        requests_per_second: requests as f64 / plan.time.as_secs_f64(),
        p50_ms: percentile(&mut latencies, 0.50),
        p99_ms: percentile(&mut latencies, 0.99),
    })
}

/// The load of one connection; returns the milliseconds of every request that ended in time.
async fn work(
    address: SocketAddr,
    request: Arc<[u8]>,
    expected: impl Fn(&[u8]) -> bool,
    start: Instant,
    end: Instant,
) -> Result<Vec<f64>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    loop {
        let sent = Instant::now();
        let response = connection.send(&request).await?;
        let came = Instant::now();
        ensure!(response.status == 200, "the server answered {}", response.status);
        ensure!(expected(response.body), "the server answered another body");
        if came >= end {
            return Ok(latencies);
        }
        if came >= start {
            latencies.push((came - sent).as_secs_f64() * 1e3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// Load on a server that gives every request the same answer, until the load ends.
    async fn load(answer: &'static str) -> Result<Outcome> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut request = [0; 1024];
                    while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        };
        let plan = Plan {
            connections: 3,
            warm_up: Duration::from_millis(1),
            time: Duration::from_millis(20),
        };
        tokio::select! {
            () = serve => unreachable!("the server goes on"),
            outcome = run(address, b"GET / HTTP/1.1\r\n\r\n".to_vec(), |body| body == b"ok", plan, || ()) => outcome,
        }
    }

    #[tokio::test]
    async fn answers_are_counted() {
        let outcome = load("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert!(outcome.requests >= 3);
        assert_eq!(outcome.requests_per_second, outcome.requests as f64 / 0.02);
        assert!(outcome.p50_ms <= outcome.p99_ms);
    }

    #[tokio::test]
    async fn another_answer_than_the_expected_ends_the_load() {
        let error = load("HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nok").await.unwrap_err();
        assert_eq!(error.to_string(), "the server answered 500");
        let error = load("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnot").await.unwrap_err();
        assert_eq!(error.to_string(), "the server answered another body");
    }
}

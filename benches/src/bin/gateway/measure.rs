//! What is measured of a gateway, in this order: memory, requests, latency, streams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alula_benches::{
    figures::median,
    http::Connection,
    load::{self, Plan},
    machine,
    server::Server,
};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::{
    latency::{self, Latency},
    streams::{self, Streams},
    systems::{Running, Starter, System},
    wire::{Client, MODEL, PROVIDER_KEY, Prompt, is_answer},
};

/// Connections, each with one request under way.
pub(crate) const CONNECTIONS: usize = 64;

/// Requests per second, where latency is measured.
pub(crate) const RATES: [u32; 2] = [100, 500];

const WARM_UP: Duration = Duration::from_millis(500);

/// How long a gateway may take to answer rightly, and to calm down before its memory is read.
const FIRST_ANSWER_TIME: Duration = Duration::from_secs(30);
const CALM_TIME: Duration = Duration::from_secs(1);

/// How long each measurement takes, and how often it is made.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) mock: SocketAddr,
    pub(crate) time: Duration,
    pub(crate) rounds: u32,
    pub(crate) streams: Vec<usize>,
}

/// All figures of a gateway.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) system: &'static str,
    pub(crate) idle_mib: Option<f64>,
    /// After all requests, before the streams.
    pub(crate) loaded_mib: Option<f64>,
    pub(crate) requests: Vec<Requests>,
    pub(crate) latency: Vec<Added>,
    pub(crate) streams: Vec<Streams>,
}

/// As many requests as are answered, over [`CONNECTIONS`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Requests {
    pub(crate) prompt: &'static str,
    pub(crate) per_second: f64,
    /// Processor time of the gateway for each request.
    pub(crate) cpu_us: Option<f64>,
    /// The share of its core that the load used, without the mock.
    pub(crate) load_cpu_share: Option<f64>,
}

/// What a gateway adds to the latency of the mock at a rate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Added {
    pub(crate) rate: u32,
    /// Nothing if the gateway does not keep up.
    pub(crate) added: Option<Latency>,
    pub(crate) with: Option<Latency>,
    pub(crate) direct: Option<Latency>,
}

impl Bench {
    /// Each stream needs a file here and one in the mock, and two in the gateway.
    pub(crate) fn leave_out_streams_without_files(&mut self) {
        const OTHERS: usize = 200;
        let files = machine::files_max().unwrap_or(usize::MAX).saturating_sub(OTHERS);
        for streams in self.streams.extract_if(.., |streams| *streams > files / 2) {
            println!("{streams} streams are left out: a process may have {files} files open");
        }
    }

    /// The figures of the mock alone.
    pub(crate) async fn direct(&self) -> Result<Figures> {
        let client = Client { key: PROVIDER_KEY.to_owned(), ..Client::new(MODEL) };
        verify(self.mock, &client, true).await.context("the mock does not work")?;
        let mut requests = Vec::new();
        for prompt in Prompt::ALL {
            requests.push(self.requests(self.mock, &client, prompt, None).await?);
        }
        let streams = self.hold(self.mock, &client, None).await?;
        let (idle_mib, loaded_mib, latency) = (None, None, Vec::new());
        Ok(Figures { system: "direct", idle_mib, loaded_mib, requests, latency, streams })
    }

    pub(crate) async fn measure(&self, starter: &Starter, system: System) -> Result<Figures> {
        let Running { server, client } = starter.start(system)?;
        let address = server.address();
        timeout(FIRST_ANSWER_TIME, verify(address, &client, system.refuses_strangers()))
            .await
            .context("it does not answer in time")??;
        sleep(CALM_TIME).await;
        let idle = server.memory_bytes();
        let mut requests = Vec::new();
        for prompt in Prompt::ALL {
            requests.push(self.requests(address, &client, prompt, Some(&server)).await?);
        }
        let latency = self.latency(address, &client).await?;
        let loaded = server.memory_bytes();
        // A new process, so that no memory of before is used for streams.
        drop(server);
        let Running { server, client } = starter.start(system)?;
        verify(server.address(), &client, false).await?;
        sleep(CALM_TIME).await;
        let fresh = server.memory_bytes().unwrap_or_default();
        let streams = self.hold(server.address(), &client, Some((&server, fresh))).await?;
        let mib = |bytes: Option<u64>| Some(bytes? as f64 / 1024.0 / 1024.0);
        Ok(Figures {
            system: system.name(),
            idle_mib: mib(idle),
            loaded_mib: mib(loaded),
            requests,
            latency,
            streams,
        })
    }

    async fn requests(
        &self,
        address: SocketAddr,
        client: &Client,
        prompt: Prompt,
        server: Option<&Server>,
    ) -> Result<Requests> {
        let request = client.request(prompt, false);
        let plan = Plan { connections: CONNECTIONS, warm_up: WARM_UP, time: self.time };
        let (mut per_second, mut cpu, mut load) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let times = || (server.and_then(Server::cpu_time), machine::own_cpu_time());
            let mut before = (None, None);
            let counting = || before = times();
            let outcome = load::run(address, request.clone(), is_answer, plan, counting).await?;
            let after = times();
            let used = |before: Option<Duration>, after: Option<Duration>| {
                Some(after?.saturating_sub(before?).as_secs_f64())
            };
            per_second.push(outcome.requests_per_second);
            cpu.extend(used(before.0, after.0).map(|time| time * 1e6 / outcome.requests as f64));
            load.extend(used(before.1, after.1).map(|time| time / self.time.as_secs_f64()));
        }
        let known = |values: Vec<f64>| (!values.is_empty()).then(|| median(values));
        Ok(Requests {
            prompt: prompt.name(),
            per_second: median(per_second),
            cpu_us: known(cpu),
            load_cpu_share: known(load),
        })
    }

    /// The latency at each rate, up to one at which the gateway does not keep up.
    async fn latency(&self, address: SocketAddr, client: &Client) -> Result<Vec<Added>> {
        let direct = Client { key: PROVIDER_KEY.to_owned(), ..Client::new(MODEL) };
        let direct: Arc<[u8]> = direct.request(Prompt::Small, false).into();
        let request: Arc<[u8]> = client.request(Prompt::Small, false).into();
        let mut added = Vec::new();
        for rate in RATES {
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                without.extend(latency::at_rate(self.mock, &direct, rate, self.time).await?);
                let through = latency::at_rate(address, &request, rate, self.time).await?;
                with.extend(through);
                if through.is_none() {
                    break;
                }
            }
            let keeps_up = with.len() == self.rounds as usize;
            let (with, direct) =
                (Latency::best(&with).filter(|_| keeps_up), Latency::best(&without));
            let difference = with.zip(direct).map(|(with, direct)| with.minus(direct));
            added.push(Added { rate, added: difference, with, direct });
            if !keeps_up {
                break;
            }
        }
        Ok(added)
    }

    /// Ever more streams, until the gateway falls over.
    async fn hold(
        &self,
        address: SocketAddr,
        client: &Client,
        server: Option<(&Server, u64)>,
    ) -> Result<Vec<Streams>> {
        let request: Arc<[u8]> = client.request(Prompt::Small, true).into();
        let mut held: Vec<Streams> = Vec::new();
        for streams in &self.streams {
            held.push(streams::hold(address, &request, *streams, server).await?);
            if held.last().is_some_and(Streams::falls_over) {
                break;
            }
        }
        Ok(held)
    }
}

impl Latency {
    /// The lowest of all rounds: what others do on the machine only adds to them.
    fn best(rounds: &[Self]) -> Option<Self> {
        let lowest = |value: fn(&Self) -> f64| rounds.iter().map(value).min_by(f64::total_cmp);
        Some(Self { p50_ms: lowest(|it| it.p50_ms)?, p99_ms: lowest(|it| it.p99_ms)? })
    }

    fn minus(self, other: Self) -> Self {
        Self { p50_ms: self.p50_ms - other.p50_ms, p99_ms: self.p99_ms - other.p99_ms }
    }
}

/// Checks that both prompts are answered, that a stream holds all its tokens, and that a stranger
/// is refused.
async fn verify(address: SocketAddr, client: &Client, refuses_strangers: bool) -> Result<()> {
    for prompt in Prompt::ALL {
        let mut connection = Connection::open(address).await?;
        let response = connection.send(&client.request(prompt, false)).await?;
        let text = String::from_utf8_lossy(response.body);
        ensure!(response.status == 200, "it answers {}: {text}", response.status);
        ensure!(is_answer(response.body), "it answers something else: {text}");
    }
    if refuses_strangers {
        let stranger = Client { key: "sk-stranger".to_owned(), ..client.clone() };
        let mut connection = Connection::open(address).await?;
        let response = connection.send(&stranger.request(Prompt::Small, false)).await?;
        // Without a database, LiteLLM takes an unknown key for a malformed request.
        let is_refused = (400..=403).contains(&response.status);
        ensure!(is_refused, "it answers {} to a stranger", response.status);
    }
    let stream: Arc<[u8]> = client.request(Prompt::Small, true).into();
    let held = streams::hold(address, &stream, 1, None).await?;
    ensure!(held.broken == 0, "it breaks a stream");
    Ok(())
}

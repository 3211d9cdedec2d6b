//! `chaos server`: whole servers and workers are killed, and clients count on what was accepted.

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use alula_jobs::{Clock, Timestamp};
use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use futures_util::{StreamExt as _, future::try_join_all, stream};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    options::Options,
    place::{Kind, Place},
    provider::Provider,
    receiver::{Manner, Receiver},
    role::Role,
    webhooks::SECRET,
};

/// How many servers there are over one database. Each takes requests and does jobs.
const SERVERS: u16 = 3;
/// How many processes beside them only do jobs.
const WORKERS: usize = 2;
/// How many clients ask at the same time.
const CLIENTS: u64 = 4;
/// How long it is from one kill to the next, in milliseconds: a server takes a while to start.
const PAUSE_MILLIS: RangeInclusive<u64> = 100..=1_000;
/// How long a client waits between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much longer than a lease the last job may take after the last kill.
const GRACE: Duration = Duration::from_secs(5);
/// How much longer is waited, to tell what is late from what is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many jobs are looked at at the same time.
const AT_ONCE: usize = 16;
/// How many jobs are told one by one.
const TOLD_MAX: usize = 5;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let Options { store, kills, seed, lease, .. } = *options;
    println!("{kills} kills of servers and workers, {store:?}, lease {lease:?}, seed {seed}");
    let program = options.alula.clone().context("say with --alula where the server is")?;
    let place = Place::new(store)?;
    let (provider, receiver) =
        (Provider::start().await?, Receiver::start(SECRET, Manner::Takes).await?);
    let address = match store {
        Kind::Sqlite => format!("sqlite://{}", place.address()),
        Kind::Postgres => place.address(),
    };
    let server = |port| -> Result<Role> {
        Ok(Role::Server {
            program: program.clone(),
            port,
            address: address.clone(),
            provider: provider.url()?,
            lease_ms: lease.as_millis().try_into()?,
        })
    };
    let ports = free_ports()?;
    let members = ports.iter().copied().map(Some).chain([None; WORKERS]);
    let roles = members.map(server).collect::<Result<Vec<_>>>()?;
    let mut fleet = Fleet::start(roles, seed)?.pause_millis(PAUSE_MILLIS);
    let clients = Clients::new(&ports, receiver.url()?)?;
    let chaos = async {
        let began = Instant::now();
        let accepted = clients.ask(&mut fleet, kills, seed).await?;
        let last_kill = Clock::system().now();
        ensure!(!accepted.is_empty() || kills == 0, "nothing was accepted between the kills");
        let found = clients.judge(&accepted, &receiver, last_kill + lease + GRACE).await?;
        found.print();
        println!(
            "{found}; {kills} kills in {:.0} s, {} accepted jobs, {} questions asked again, the \
             last end {:.1} s after the last kill; {store:?}, seed {seed}",
            began.elapsed().as_secs_f64(),
            accepted.len(),
            provider.asked().values().map(|times| times - 1).sum::<u32>(),
            found.last_end.map_or(0.0, |end| (end - last_kill).as_secs_f64()),
        );
        ensure!(found.is_clean(), "clients were promised more than they got");
        Ok(())
    };
    tokio::select! {
        done = chaos => done,
        served = provider.serve() => served,
        served = receiver.serve() => served,
    }
}

/// Ports that are free at the moment.
fn free_ports() -> Result<Vec<u16>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = (0..SERVERS).map(bind).collect::<Result<Vec<_>, _>>()?;
    Ok(listeners.iter().map(|it| Ok(it.local_addr()?.port())).collect::<std::io::Result<_>>()?)
}

/// What was accepted: the name of the job, and the question.
type Accepted = HashMap<String, String>;

/// Who asks.
struct Clients {
    http: Client,
    servers: Vec<String>,
    callback: String,
}

impl Clients {
    fn new(ports: &[u16], callback: String) -> Result<Self> {
        // It speaks no TLS, and needs a provider of it nevertheless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT).build()?;
        let servers = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        Ok(Self { http, servers, callback })
    }

    /// Asks, while servers are killed. Returns what was accepted.
    async fn ask(&self, fleet: &mut Fleet, kills: u32, seed: u64) -> Result<Accepted> {
        let accepted = Mutex::default();
        let began = Instant::now();
        let kill = async {
            for killed in 1..=kills {
                fleet.kill_one().await?;
                if killed.is_multiple_of(kills.div_ceil(10)) {
                    println!("{killed} killed, after {:.0} s", began.elapsed().as_secs_f64());
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        let clients = (0..CLIENTS).map(|client| self.ask_on(client, seed, &accepted));
        tokio::select! {
            killed = kill => killed?,
            asked = try_join_all(clients) => drop(asked?),
        }
        Ok(accepted.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// One question after the other, for ever.
    async fn ask_on(&self, client: u64, seed: u64, accepted: &Mutex<Accepted>) -> Result<()> {
        let mut rng = Rng::with_seed(seed.wrapping_add(client));
        for number in 0_u64.. {
            let question = format!("question {client}-{number}");
            let server = rng.choice(&self.servers).context("there is no server")?;
            let body = json!({"message": question, "callback_url": self.callback});
            let request = self.http.post(format!("{server}/chat")).json(&body);
            // Nobody counts on what was not accepted.
            if let Ok(response) = request.header("prefer", "respond-async").send().await
                && response.status() == StatusCode::ACCEPTED
                && let Ok(job) = response.json::<Value>().await
            {
                let id = text(&job, "/job_id").to_owned();
                let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
                accepted.insert(id, question);
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until every job has ended and was told, and looks what came of it.
    async fn judge(
        &self,
        accepted: &Accepted,
        receiver: &Receiver,
        limit: Timestamp,
    ) -> Result<Found> {
        let mut found = Found::default();
        let mut open: Vec<&String> = accepted.keys().collect();
        while !open.is_empty() && Clock::system().now() < limit + PATIENCE {
            let looks = stream::iter(open).map(|id| async move { (id, self.look(id).await) });
            let looked: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
            open = Vec::new();
            for (id, job) in looked {
                let is_told = |job: &Value| text(job, "/callback") == "delivered";
                match job.filter(is_told) {
                    Some(job) => found.judge(id, &job, accepted, limit),
                    None => open.push(id),
                }
            }
            sleep(PAUSE).await;
        }
        for id in open {
            let job = self.look(id).await;
            found.lost.push(format!("{id} is {}", job.unwrap_or(Value::Null)));
        }
        found.told(accepted, receiver);
        Ok(found)
    }

    /// A job, from whichever server knows it. One that was just killed does not.
    async fn look(&self, id: &str) -> Option<Value> {
        for server in &self.servers {
            if let Ok(response) = self.http.get(format!("{server}/jobs/{id}")).send().await
                && response.status() == StatusCode::OK
                && let Ok(job) = response.json().await
            {
                return Some(job);
            }
        }
        None
    }
}

fn text<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What was found. All but the last is to be nothing.
#[derive(Debug, Default)]
struct Found {
    lost: Vec<String>,
    wrong: Vec<String>,
    late: Vec<String>,
    untold: Vec<String>,
    told_twice: Vec<String>,
    last_end: Option<Timestamp>,
}

impl Found {
    /// A job that has ended.
    fn judge(&mut self, id: &str, job: &Value, accepted: &Accepted, limit: Timestamp) {
        let question = accepted.get(id).map(String::as_str);
        if text(job, "/status") != "succeeded" || Some(text(job, "/result/response")) != question {
            self.wrong.push(format!("{id} of {question:?} is {job}"));
        }
        match text(job, "/finished_at").parse::<jiff::Timestamp>() {
            Ok(end) => {
                let end = Timestamp::from_millis(end.as_millisecond());
                self.last_end = self.last_end.max(Some(end));
                if end > limit {
                    self.late.push(format!("{id} ended {:?} too late", end - limit));
                }
            }
            Err(error) => self.wrong.push(format!("{id} has no end: {error}")),
        }
    }

    /// Each has been told under one name.
    fn told(&mut self, accepted: &Accepted, receiver: &Receiver) {
        let mut told: HashMap<String, u32> = HashMap::new();
        for message in receiver.messages().values().filter(|message| message.is_accepted) {
            let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
            *told.entry(text(&body, "/data/job_id").to_owned()).or_default() += 1;
        }
        for id in accepted.keys() {
            match told.get(id) {
                Some(1) => {}
                Some(names) => self.told_twice.push(format!("{id}, under {names} names")),
                None => self.untold.push(id.clone()),
            }
        }
        self.wrong.extend(receiver.wrong());
    }

    fn findings(&self) -> [(&'static str, &[String]); 5] {
        [
            ("acknowledged jobs lost", &self.lost),
            ("wrong results or signatures", &self.wrong),
            ("jobs late", &self.late),
            ("webhooks missing", &self.untold),
            ("duplicate webhooks", &self.told_twice),
        ]
    }

    fn is_clean(&self) -> bool {
        self.findings().iter().all(|(_, found)| found.is_empty())
    }

    fn print(&self) {
        for (kind, found) in self.findings() {
            found.iter().take(TOLD_MAX).for_each(|one| println!("{kind}: {one}"));
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.findings().map(|(kind, found)| format!("{} {kind}", found.len()));
        f.write_str(&counts.join(", "))
    }
}

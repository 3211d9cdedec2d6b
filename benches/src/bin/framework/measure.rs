//! Checks that the servers do the same, then puts load on each.

use std::{ffi::OsString, path::Path, process::Command, time::Duration};

use alula_benches::{
    http::{Connection, post_json},
    load::{self, Outcome, Plan},
    machine,
    server::Server,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    Framework,
    chat::{Body, invalid_bodies},
};

const PATH: &str = "/echo";
/// Workers of FastAPI; the same number is in `app.py`.
const FASTAPI_WORKERS: usize = 2;
/// Cores, if there are two and `taskset`: for the Rust servers, and for the load.
const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

/// A framework's server under the load of one body, once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// Processor time of the server over the time of the load.
    pub(crate) cpu_share: Option<f64>,
    /// The same for the load itself: near 1 it is the load that limits, and not the server.
    pub(crate) load_cpu_share: Option<f64>,
}

impl Sample {
    /// Answers for each second of the server's processor time: what it can do on one core, also
    /// where others keep the cores busy.
    pub(crate) fn requests_per_cpu_second(&self) -> Option<f64> {
        Some(self.outcome.requests_per_second / self.cpu_share?)
    }
}

/// Starts the server of a framework. A pinned one shares its core with nothing of ours.
pub(crate) fn start(framework: Framework, python: &Path, pinned: bool) -> Result<Server> {
    let (mut words, workers): (Vec<OsString>, usize) = match framework {
        Framework::Fastapi => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/framework/app.py");
            // `-B`: nothing is written beside the script.
            (vec![python.into(), "-B".into(), script.into()], FASTAPI_WORKERS)
        }
        Framework::Alula | Framework::Axum => {
            let program = std::env::current_exe().context("cannot find this program")?;
            (vec![program.into(), "--serve".into(), framework.name().into()], 1)
        }
    };
    if pinned {
        let cores = match framework {
            Framework::Fastapi => format!("{SERVER_CORE},{LOAD_CORE}"),
            Framework::Alula | Framework::Axum => SERVER_CORE.to_string(),
        };
        let taskset = ["taskset", "--cpu-list", &cores];
        words.splice(0..0, taskset.map(Into::into));
    }
    let (program, arguments) = words.split_first().context("a command has a program")?;
    Server::start(Command::new(program).args(arguments), workers)
        .with_context(|| format!("cannot start the server of {}", framework.name()))
}

/// Checks that every server gives back what is valid, and refuses what is not: Alula and
/// FastAPI in the same words.
pub(crate) async fn verify(servers: &[(Framework, Server)], bodies: &[Body]) -> Result<()> {
    for body in bodies {
        for (framework, server) in servers {
            let (status, answer) = call(server, &body.json).await?;
            let same = serde_json::from_str::<Value>(&body.json)?
                == serde_json::from_slice::<Value>(&answer)?;
            ensure!(status == 200 && same, "{} answers {status}, and no echo", framework.name());
        }
    }
    for body in invalid_bodies() {
        let mut details = Vec::new();
        for (framework, server) in servers {
            let (status, answer) = call(server, &body.to_string()).await?;
            ensure!(status == 422, "{} answers {status} to {body}", framework.name());
            if *framework != Framework::Axum {
                details.push(serde_json::from_slice::<Value>(&answer)?);
            }
        }
        let same = details.iter().all(|detail| Some(detail) == details.first());
        ensure!(same, "Alula and FastAPI differ about {body}: {details:?}");
    }
    Ok(())
}

async fn call(server: &Server, body: &str) -> Result<(u16, Vec<u8>)> {
    let mut connection = Connection::open(server.address()).await?;
    let response = connection.send(&post_json(PATH, &[], body)).await?;
    ensure!(response.content_type.starts_with("application/json") || response.status != 200);
    Ok((response.status, response.body.to_vec()))
}

/// Puts load on a server.
pub(crate) async fn sample(server: &Server, body: &Body, plan: Plan) -> Result<Sample> {
    let (_, answer) = call(server, &body.json).await?;
    let request = post_json(PATH, &[], &body.json);
    let cpu_times = || (server.cpu_time(), machine::own_cpu_time());
    let mut before = (None, None);
    let counting = || before = cpu_times();
    let expected = move |body: &[u8]| body.len() == answer.len();
    let outcome = load::run(server.address(), request, expected, plan, counting).await?;
    let after = cpu_times();
    let share = |before: Option<Duration>, after: Option<Duration>| {
        Some(after?.saturating_sub(before?).as_secs_f64() / plan.time.as_secs_f64())
    };
    Ok(Sample {
        outcome,
        cpu_share: share(before.0, after.0),
        load_cpu_share: share(before.1, after.1),
    })
}

/// Whether servers and load can each have a core.
pub(crate) fn pin() -> bool {
    machine::cores() > LOAD_CORE && machine::pin_self(LOAD_CORE)
}

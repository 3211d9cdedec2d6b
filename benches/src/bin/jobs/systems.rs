//! What is compared.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use alula_benches::{databases::Database, server::Server};
use anyhow::{Result, ensure};

/// How many seconds an agent may take: with a job that is lost, it would wait for ever.
const AGENT_SECONDS: &str = "300";

/// What there is of the peers and their servers.
#[derive(Debug)]
pub(crate) struct Peers<'a> {
    pub(crate) postgres: Option<&'a Path>,
    pub(crate) redis: Option<&'a Path>,
    pub(crate) python: Option<&'a Path>,
    pub(crate) apalis: Option<&'a Path>,
}

/// A queue, and where it keeps its jobs.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) name: &'static str,
    /// The start of the command line of its agents.
    words: Vec<PathBuf>,
    store: Store,
    /// What its agents complain of.
    log: PathBuf,
}

#[derive(Debug)]
enum Store {
    File(PathBuf),
    Postgres(Rc<Database>),
    Redis(Database),
}

/// Starts the systems for which there is everything; it is said what is left out.
pub(crate) fn start(peers: &Peers<'_>, only: &[String], folder: &Path) -> Result<Vec<System>> {
    let ours = std::env::current_exe()?;
    let file = || Store::File(folder.to_owned());
    let is_asked = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
    let mut systems = Vec::new();
    let mut add = |name, words: &[&Path], store: Option<Store>| {
        if let Some(store) = store.filter(|_| is_asked(name)) {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            systems.push(System { name, words, store, log: folder.join(format!("{name}.log")) });
        }
    };
    let postgres = match peers.postgres {
        Some(programs) => Some(Rc::new(Database::postgres(programs, folder)?)),
        None => None,
    };
    let postgres = || postgres.clone().map(Store::Postgres);
    add("alula-sqlite", &[&ours, "--agent".as_ref(), "sqlite".as_ref()], Some(file()));
    add("alula-postgres", &[&ours, "--agent".as_ref(), "postgres".as_ref()], postgres());
    if let Some(apalis) = peers.apalis {
        add("apalis-sqlite", &[apalis, "sqlite".as_ref()], Some(file()));
        add("apalis-postgres", &[apalis, "postgres".as_ref()], postgres());
    }
    if let (Some(python), Some(redis)) = (peers.python, peers.redis) {
        let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/jobs/celery_agent.py");
        let redis = Database::redis(redis, folder)?;
        add("celery", &[python, &agent], Some(Store::Redis(redis)));
    }
    ensure!(!systems.is_empty(), "nothing is left to measure");
    Ok(systems)
}

impl System {
    /// An empty place for jobs: the argument that names it.
    pub(crate) fn target(&self, number: usize) -> Result<String> {
        let name = format!("{}_{number}", self.name.replace('-', "_"));
        match &self.store {
            Store::File(folder) => {
                let folder = folder.join(name);
                fs::create_dir_all(&folder)?;
                Ok(folder.join("jobs.db").to_string_lossy().into_owned())
            }
            Store::Postgres(database) => database.create(&name),
            // Its databases are sixteen; each agent begins with an empty one.
            Store::Redis(database) => Ok(format!("redis://{}/{}", database.address, number % 16)),
        }
    }

    /// The server that keeps the jobs, if it is a process of its own.
    pub(crate) fn server(&self) -> Option<&Server> {
        match &self.store {
            Store::File(_) => None,
            Store::Postgres(database) => Some(&database.server),
            Store::Redis(database) => Some(&database.server),
        }
    }

    /// Whether it is one of ours, without which there is no comparison.
    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with("alula")
    }

    /// A process that measures one thing.
    pub(crate) fn agent(&self, target: &str, task: &str, count: u64, rate: u64) -> Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", AGENT_SECONDS]).args(&self.words);
        command.arg(target).arg(task).args([count.to_string(), rate.to_string()]);
        command.stderr(log);
        Ok(command)
    }
}

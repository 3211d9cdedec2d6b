//! The gateways, and how each is started between the load and the mock.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use alula_benches::server::{Server, copy_environment, free_address};
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::wire::{CLIENT_KEY, Client, MODEL, PROVIDER_KEY};

/// Where the scripts of peers are.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/gateway/peers");

/// The name by which gateways that know models by names are asked.
const NAME: &str = "bench";

/// What stands between the load and the mock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    Alula,
    Nginx,
    Minimal,
    Tensorzero,
    Portkey,
    Fastapi,
    Litellm,
}

impl System {
    pub(crate) const ALL: [Self; 7] = [
        Self::Alula,
        Self::Nginx,
        Self::Minimal,
        Self::Tensorzero,
        Self::Portkey,
        Self::Fastapi,
        Self::Litellm,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alula => "alula",
            Self::Nginx => "nginx",
            Self::Minimal => "minimal",
            Self::Tensorzero => "tensorzero",
            Self::Portkey => "portkey",
            Self::Fastapi => "fastapi",
            Self::Litellm => "litellm",
        }
    }

    /// Whether a client without the right key has to be refused.
    pub(crate) fn refuses_strangers(self) -> bool {
        matches!(self, Self::Alula | Self::Minimal | Self::Fastapi | Self::Litellm)
    }
}

/// Programs that peers need. One that is missing leaves its peers out.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Programs {
    /// The release build of Alula's server.
    #[arg(long, required_unless_present = "serve")]
    alula: Option<PathBuf>,
    /// A Python with `litellm`, `tensorzero`, `fastapi` and `httpx`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The program of nginx.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// The start script of Portkey's gateway.
    #[arg(long)]
    portkey: Option<PathBuf>,
}

/// Where and how systems are started.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) programs: Programs,
    pub(crate) mock: SocketAddr,
    /// A folder for configurations and logs.
    pub(crate) work: PathBuf,
    /// The core of the system, if it has one of its own.
    pub(crate) core: Option<usize>,
}

/// A gateway that runs, and how it is asked.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) client: Client,
}

impl Starter {
    pub(crate) fn start(&self, system: System) -> Result<Running> {
        match system {
            System::Alula => self.alula(),
            System::Nginx => self.nginx(),
            System::Minimal => self.minimal(),
            System::Tensorzero => self.tensorzero(),
            System::Portkey => self.portkey(),
            System::Fastapi => self.fastapi(),
            System::Litellm => self.litellm(),
        }
        .with_context(|| format!("cannot start {}", system.name()))
    }

    /// All that it has is on: a key with a budget and limits that are never reached, and the ledger.
    fn alula(&self) -> Result<Running> {
        let program = known(self.programs.alula.as_ref(), "its program")?;
        let config = include_str!("peers/alula.toml").replace("MODEL", MODEL);
        let config = self.write("alula.toml", &config)?;
        let data = self.empty_folder("alula")?;
        let mut command = self.pinned(program);
        command.env("DATABASE_URL", format!("sqlite://{}", data.join("alula.db").display()));
        command.env("ALULA_USAGE_SPILL_DIR", &data).env("ALULA_CONFIG", config);
        command.env("OPENAI_BASE_URL", format!("http://{}/v1", self.mock));
        command.env("OPENAI_API_KEY", PROVIDER_KEY);
        // No Ollama is looked for where nothing listens.
        command.env("OLLAMA_HOST", "127.0.0.1:9");

        let mut create = copy_of(&command);
        create.args(["keys", "create", "--name", "bench", "--plan", "bench"]);
        create.args(["--budget-usd-per-month", "1000000"]);
        let created = create.output().context("cannot make a key")?;
        let trouble = String::from_utf8_lossy(&created.stderr);
        ensure!(created.status.success(), "cannot make a key: {}", trouble.trim());
        let key = String::from_utf8(created.stdout)?.trim().to_owned();

        let address = free_address()?;
        command.args(["serve", "--port"]).arg(port(address));
        self.foreign(&command, address, "alula", Client { key, ..Client::new(NAME) })
    }

    fn nginx(&self) -> Result<Running> {
        let program = known(self.programs.nginx.as_ref(), "nginx")?;
        let address = free_address()?;
        let config = include_str!("peers/nginx.conf")
            .replace("ADDRESS", &address.to_string())
            .replace("PROVIDER_KEY", PROVIDER_KEY)
            .replace("PROVIDER", &self.mock.to_string());
        let config = self.write("nginx.conf", &config)?;
        let mut command = self.pinned(program);
        command.arg("-p").arg(&self.work).arg("-c").arg(config);
        self.foreign(&command, address, "nginx", Client::new(MODEL))
    }

    fn minimal(&self) -> Result<Running> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = self.pinned(&program);
        command.args(["--serve", "minimal", "--provider"]).arg(self.mock.to_string());
        Ok(Running { server: Server::start(&mut command, 1)?, client: Client::new(NAME) })
    }

    fn fastapi(&self) -> Result<Running> {
        let mut command = self.python("fastapi_proxy.py")?;
        command.args([&self.mock.to_string(), PROVIDER_KEY, CLIENT_KEY, MODEL]);
        Ok(Running { server: Server::start(&mut command, 1)?, client: Client::new(NAME) })
    }

    fn tensorzero(&self) -> Result<Running> {
        let config = include_str!("peers/tensorzero.toml")
            .replace("PROVIDER", &self.mock.to_string())
            .replace("MODEL", MODEL);
        let config = self.write("tensorzero.toml", &config)?;
        let mut command = self.python("start_tensorzero.py")?;
        command.arg(config).env("OPENAI_API_KEY", PROVIDER_KEY);
        // It logs to where the address is printed.
        command.env("RUST_LOG", "off");
        let client = Client {
            path: "/openai/v1/chat/completions",
            ..Client::new("tensorzero::model_name::bench")
        };
        Ok(Running { server: Server::start(&mut command, 1)?, client })
    }

    fn portkey(&self) -> Result<Running> {
        let script = known(self.programs.portkey.as_ref(), "Node or its package")?;
        let address = free_address()?;
        let mut command = self.pinned(Path::new("node"));
        command.arg(script).arg("--headless").arg(format!("--port={}", port(address)));
        command.env("NODE_ENV", "production");
        let mut client = Client { key: PROVIDER_KEY.to_owned(), ..Client::new(MODEL) };
        client.headers.push(("x-portkey-provider", "openai".to_owned()));
        client.headers.push(("x-portkey-custom-host", format!("http://{}/v1", self.mock)));
        self.foreign(&command, address, "portkey", client)
    }

    fn litellm(&self) -> Result<Running> {
        let python = known(self.programs.python.as_ref(), "Python or its packages")?;
        let address = free_address()?;
        let config = include_str!("peers/litellm.yaml")
            .replace("PROVIDER_KEY", PROVIDER_KEY)
            .replace("PROVIDER", &self.mock.to_string())
            .replace("CLIENT_KEY", CLIENT_KEY)
            .replace("MODEL", MODEL);
        let config = self.write("litellm.yaml", &config)?;
        let mut command = self.pinned(&python.with_file_name("litellm"));
        command.arg("--config").arg(config);
        command.args(["--host", "127.0.0.1", "--num_workers", "1", "--telemetry", "False"]);
        command.arg("--port").arg(port(address));
        command.env("LITELLM_MODE", "PRODUCTION").env("LITELLM_LOG", "ERROR");
        // Prices come with the package, and not from the network.
        command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        self.foreign(&command, address, "litellm", Client::new(NAME))
    }

    /// Starts a program that does not know of us.
    fn foreign(
        &self,
        command: &Command,
        address: SocketAddr,
        name: &str,
        client: Client,
    ) -> Result<Running> {
        let log = self.work.join(format!("{name}.log"));
        Ok(Running { server: Server::start_foreign(command, address, &log)?, client })
    }

    /// A script of ours in the Python of the peers.
    fn python(&self, script: &str) -> Result<Command> {
        let python = known(self.programs.python.as_ref(), "Python or its packages")?;
        let mut command = self.pinned(python);
        // `-B`: nothing is written beside the script.
        command.arg("-B").arg(Path::new(PEERS).join(script));
        Ok(command)
    }

    /// A program on the core of the systems.
    fn pinned(&self, program: &Path) -> Command {
        let Some(core) = self.core else { return Command::new(program) };
        let mut command = Command::new("taskset");
        let words: [OsString; 3] = ["--cpu-list".into(), core.to_string().into(), program.into()];
        command.args(words);
        command
    }

    fn empty_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&folder),
        }
        .with_context(|| format!("cannot empty {}", folder.display()))?;
        Ok(folder)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.work.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

/// The same program in the same environment, with the same arguments so far.
fn copy_of(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy_environment(command, &mut copy);
    copy
}

fn port(address: SocketAddr) -> String {
    address.port().to_string()
}

fn known<'a>(program: Option<&'a PathBuf>, what: &str) -> Result<&'a Path> {
    program.map(PathBuf::as_path).with_context(|| format!("{what} is not installed"))
}

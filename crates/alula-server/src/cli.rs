//! The command line.

mod doctor;
mod error;
mod keys;
mod usage;
mod values;

use std::{
    ffi::OsString,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use alula::{
    Limits, Server, Shutdown, StartError,
    otel::Telemetry,
    serve::{Launch, Tls, Workers},
};
use alula_llm::model::Protocol;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::error::CliError;
use crate::{
    app::{self, Services},
    config::{Config, ConfigError, Located, Source, warn_of_unknown},
    db::{DatabaseUrl, Db},
    dependencies::WithoutKeys,
    dev::{CargoOptions, Dev},
    logging,
    new::New,
    replay::Replay,
    services::{
        jobs::Jobs,
        keys::Keys,
        llm::{self, Environment},
        metrics,
        reload::{Hangup, Start},
    },
};

const LONG_ABOUT: &str = "\
One server between applications and language models.

Without a command it serves, with the providers that the environment names, or with a local
Ollama. Without any provider it answers as a demo, offline, and says so.";

const ENVIRONMENT: &str = "\
Environment:
  OPENAI_API_KEY, OPENAI_BASE_URL        OpenAI, or a server that speaks its chat completions
  ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL  Anthropic, or a server that speaks its messages
  GEMINI_API_KEY, GEMINI_BASE_URL        Gemini, or a server that speaks its generateContent;
                                         GOOGLE_API_KEY is another name of the key
  AZURE_OPENAI_API_KEY, AZURE_OPENAI_BASE_URL
                                         Azure, at the address of the resource
  MISTRAL_API_KEY, COHERE_API_KEY (or CO_API_KEY), GROQ_API_KEY, DEEPSEEK_API_KEY,
  OPENROUTER_API_KEY, CEREBRAS_API_KEY, XAI_API_KEY, TOGETHER_API_KEY
                                         these providers; …_BASE_URL is another address of one
  OLLAMA_HOST                            Ollama, if it is not at 127.0.0.1:11434
  HTTPS_PROXY, ALL_PROXY                 a proxy to providers that are not on this machine: to
                                         those at https:// addresses, and to all others
  NO_PROXY                               hosts that are called without a proxy
  DATABASE_URL                           where keys and usage are kept: postgres://…, or a file of
                                         SQLite (sqlite://data/alula.db)
  REDIS_URL                              where processes share limits of keys and of providers, and
                                         the state of breakers: redis://…; else each has its own
  ALULA_REDIS_TIMEOUT_SECONDS            a call waits for Redis, each time it asks; then its process
                                         goes by itself (0.1)
  ALULA_REDIS_LEASE_SECONDS              a process that is not heard of is gone, and its streams are
                                         over (15, 0.1 at least; the same for all processes)
  ALULA_BUDGET_LEASE_SECONDS             a process that is not heard of is gone, and what it had
                                         set aside of budgets is charged to them (60)
  ALULA_UNKNOWN_PRICES                   whether keys with a budget may ask models without a price,
                                         as if they were free: allow or refuse (refuse)
  ALULA_UNKNOWN_MODEL_INPUT_TOKENS, ALULA_UNKNOWN_MODEL_OUTPUT_TOKENS
                                         how large a model is taken for that nobody knows
                                         (1048576, 131072)
  ALULA_CONVERSATION_TOKENS_MAX          the most of a conversation that a model gets (128000)
  ALULA_KEYS_STALE_SECONDS               known keys are good while the database is away (300)
  ALULA_USAGE_QUEUE                      calls that wait to be written to the ledger (65536)
  ALULA_USAGE_SPILL_DIR                  where they wait while the database is away (data)
  ALULA_USAGE_SPILL_BYTES_MAX            and how large that may become (1073741824)
  ALULA_USAGE_RETENTION_DAYS             calls are in the ledger so long (400; 0: for ever)
  ALULA_MODEL                            the model of requests that name none (provider/model)
  ALULA_CONNECT_SECONDS                  to open a connection to a provider (5)
  ALULA_FIRST_TOKEN_SECONDS              to the first token of a stream (10)
  ALULA_IDLE_SECONDS                     between two signs of life of a stream (60)
  ALULA_TOTAL_SECONDS                    for a whole call (600)
  ALULA_ATTEMPTS                         how often a provider is asked that fails (3)
  ALULA_BREAKER_FAILURES                 failed calls in a row, then it is left alone (3; 0: never)
  ALULA_BODY_BYTES_MAX                   the largest request body (8388608)
  ALULA_CONNECTIONS_MAX                  connections at a time, of each worker (20000)
  ALULA_HEADER_READ_SECONDS              to send the head of a request (10)
  ALULA_BODY_STALL_SECONDS               between two parts of a request body (10)
  ALULA_WRITE_STALL_SECONDS              a client may leave its response unread (30)
  ALULA_KEEP_ALIVE_SECONDS               between two requests on a connection (75)
  ALULA_H2_STREAMS_MAX                   requests at a time on a connection of HTTP/2 (128)
  ALULA_CONNECTIONS_PER_IP_MAX           the same from one address (no limit of its own)
  ALULA_BODY_BYTES_PER_SECOND_MIN        the slowest request body, after 10 seconds (240)
  ALULA_DRAIN_DELAY_SECONDS              to go on accepting after SIGTERM, for Kubernetes (0)
  ALULA_DRAIN_SECONDS                    to finish requests after that (20)
  ALULA_JOBS_RUNNING_MAX                 jobs (Prefer: respond-async) that this process does at a
                                         time (16; 0: it leaves them to `alula worker`)
  ALULA_JOBS_QUEUED_MAX                  jobs that wait for their turn (100000)
  ALULA_JOBS_PER_KEY_MAX                 jobs of one key that have not ended (a quarter of these)
  ALULA_JOBS_ATTEMPTS                    how often a job is tried whose provider fails (5)
  ALULA_JOBS_SECONDS                     for each time (3600)
  ALULA_JOBS_LEASE_SECONDS               a worker that is not heard of is gone, and its jobs go to
                                         another one (30)
  ALULA_JOBS_KEPT_SECONDS                jobs that have ended are kept so long (86400)
  ALULA_JOBS_BYTES_MAX                   the largest answer that is kept (16777216)
  ALULA_WEBHOOK_SECRET                   signs what a callback_url gets: whsec_ and the base64 of 24
                                         to 64 bytes; a space between several
  ALULA_WEBHOOK_ALLOW                    networks that are not public and may be called (10.1.0.0/16)
  ALULA_WEBHOOK_ATTEMPTS                 how often a callback_url is tried, in 75 hours (10)
  ALULA_WEBHOOK_SECONDS                  for each time (15)
  ALULA_WEBHOOKS_RUNNING_MAX             that are called at a time (32)
  ALULA_IDEMPOTENCY_HOURS                to keep answers to requests with an Idempotency-Key (24)
  ALULA_IDEMPOTENCY_BYTES_MAX            the largest answer of those that is kept (1048576)
  ALULA_IDEMPOTENCY_LEASE_SECONDS        until a request counts no more whose process is gone (30)
  ALULA_LOG, ALULA_LOG_FORMAT            what to log (info), as text or json, to stderr

  OTEL_EXPORTER_OTLP_ENDPOINT            the collector of OpenTelemetry for traces and metrics, by
                                         OTLP over HTTP (none); other OTEL_… go with it";

const NEW_EXAMPLES: &str = "\
Examples:
  alula new parrot                     an application `parrot` in the folder parrot
  alula new .                          in the current folder, which must be empty
  alula new services/api --name birds  another name than that of the folder

It uses the crate alula from the folder that this program was built from, if that is still there,
and otherwise the published version.";

const DEV_HELP: &str = "\
The program has to listen where these variables say: HOST and PORT, which are also there with the
prefixes APP_ and ALULA_. What `alula new` makes does.

It watches src, templates and migrations of the package and of all that it depends on by path,
their Cargo.toml, the files that the program was built from, *.toml and .env. The program of before
goes on until the new one is built; then it has 5 seconds to finish.

Examples:
  alula dev
  alula dev --port 9000 --features metrics --watch prompts
  alula dev --bin api -- --verbose";

/// One server between applications and language models.
#[derive(Debug, Parser)]
#[command(name = "alula", version, about, long_about = LONG_ABOUT, after_help = ENVIRONMENT)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default).
    Serve(Serve),
    /// Serve recorded provider traffic as a provider, without network or keys.
    Replay(ReplayArgs),
    /// Make, list, change and revoke the keys of callers.
    #[command(after_help = keys::EXAMPLES)]
    Keys(keys::KeysArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Print what calls have used and cost.
    #[command(after_help = usage::EXAMPLES)]
    Usage(usage::UsageArgs),
    /// Check the configuration, the database, the providers and the machine.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Build and run the program in this folder, and again whenever its sources change.
    #[command(after_help = DEV_HELP)]
    Dev(DevArgs),
    /// Make a new application in Rust: endpoints, settings, tests, a Dockerfile.
    #[command(after_help = NEW_EXAMPLES)]
    New(NewArgs),
}

#[derive(Debug, Args)]
struct Serve {
    /// The address to listen on.
    #[arg(long, env = "ALULA_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, env = "ALULA_PORT", default_value_t = 8000)]
    port: u16,
    /// Providers, limits and names of models, in TOML; alula.toml if that is there. It is read again
    /// when it changes, and at SIGHUP.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Processes that serve. With several, SIGHUP replaces them one by one, and loses no request.
    #[arg(long, env = "ALULA_WORKERS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=128))]
    workers: u8,
    /// Speak HTTPS, with the certificate in this file of PEM, and those up to its root.
    #[arg(long, env = "ALULA_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM. SIGHUP reads both files again.
    #[arg(long, env = "ALULA_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Without any key, answer whoever reaches the port, by whatever name: beyond this machine, or
    /// behind a proxy.
    #[arg(long, env = "ALULA_ALLOW_UNAUTHENTICATED", value_parser = values::switch)]
    allow_unauthenticated: bool,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// A directory of cassettes, read with everything below it: Alula's (*.jsonl), VCR.py's (*.yaml).
    dir: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8001)]
    port: u16,
    /// Milliseconds to wait before each event of a stream.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
}

#[derive(Debug, Args)]
struct DevArgs {
    /// The address that the program shall listen on.
    #[arg(long, default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port that the program shall listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    #[command(flatten)]
    cargo: CargoOptions,
    /// A file or a folder to watch, beside the sources; may be repeated.
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Arguments of the program.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
struct NewArgs {
    /// Where to make it: a folder that is empty or not there yet. Its name is that of the application.
    #[arg(value_name = "NAME|PATH")]
    path: PathBuf,
    /// The name of the application, if it is not that of the folder.
    #[arg(long)]
    name: Option<String>,
    /// The folder of the crate `alula` to use.
    #[arg(long, value_name = "PATH")]
    alula_path: Option<PathBuf>,
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> Result<(), CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Io)?;
        let command = self.command.unwrap_or(Command::Serve(self.serve));
        runtime.block_on(async {
            match command {
                Command::Serve(arguments) => serve(arguments).await,
                Command::Replay(arguments) => replay(arguments).await,
                Command::Keys(arguments) => keys::run(arguments).await,
                Command::Openapi => print_openapi().await,
                Command::Usage(arguments) => usage::usage(arguments).await,
                Command::Doctor(arguments) => doctor::run(arguments).await,
                Command::New(arguments) => new(arguments),
                Command::Dev(arguments) => dev(arguments).await,
            }
        })
    }
}

async fn serve(arguments: Serve) -> Result<(), CliError> {
    let config = Arc::new(Config::from_env()?);
    arguments.check(&config)?;
    let serves = arguments.workers == 1 || Workers::this_worker().is_some();
    let telemetry = match config.has_collector && serves {
        true => Some(telemetry()?),
        false => None,
    };
    logging::start(&config.log, config.log_format, telemetry.as_ref());
    // From the first moment on: whoever sends it must not end the server.
    let hangup = Hangup::listen().map_err(StartError::Io)?;
    let Serve { host, port, workers, allow_unauthenticated, tls_cert, tls_key, config: file } =
        arguments;
    let tls = match tls_cert.zip(tls_key) {
        Some((certificate, key)) => Some(Tls::from_pem_files(certificate, key)?),
        None => None,
    };
    let environment = Environment::find(config.clone()).await;
    let start = Start::read(Source::new(file.as_deref()), environment)?;
    if Workers::this_worker().is_none() {
        let of_file = start.file().into_iter().flat_map(Located::variables).cloned();
        warn_of_unknown(&Serve::variables().into_iter().chain(of_file).collect::<Vec<_>>());
    }
    if let Some(redis) = &config.redis
        && let Err(error) = redis.check().await
    {
        tracing::warn!(%error, "Redis is away: each process has its own limits until it is there");
    }
    let llm = start.connect()?;
    let db = Db::open(&config.database).await?;
    let access = Access::of(db.has_keys().await?, allow_unauthenticated);
    if access == Access::ThisMachine && !host.is_loopback() {
        return Err(CliError::Unauthenticated(host));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let launch = Workers::new(workers.into()).bind((host, port), config.limits.clone()).await;
    let (server, shutdown) = match launch.map_err(|error| CliError::Bind { host, port, error })? {
        Launch::Serve { server, shutdown } => (server, shutdown),
        Launch::Supervise(supervisor) => {
            db.close().await;
            greet(scheme, supervisor.local_addr(), &llm, access);
            // A process of this number may have left some when it was killed.
            metrics::forget();
            let ended = supervisor.run().await;
            metrics::forget();
            return Ok(ended?);
        }
    };
    if Workers::this_worker().is_none() {
        greet(scheme, server.local_addr(), &llm, access);
    }
    let keys = Keys::open(db.clone(), start.plans(), config.keys_stale).await?;
    let jobs = Jobs::open(&config).await?;
    let mut services = Services::new((db, keys), llm, start, hangup, jobs, shutdown.clone());
    if allow_unauthenticated {
        services.without_keys = WithoutKeys::Everybody;
    }
    metrics::watch_connections(server.open_connections());
    metrics::share(&shutdown);
    let mut app = app::app(services, telemetry, shutdown.clone())
        .limits(config.limits.clone())
        .max_body(config.body_bytes_max);
    if let Some(tls) = tls {
        app = app.tls(tls);
    }
    app.serve_on(server, shutdown).await?;
    Ok(())
}

/// The collector that the environment names.
fn telemetry() -> Result<Telemetry, ConfigError> {
    let telemetry = Telemetry::builder("alula").service_version(env!("CARGO_PKG_VERSION"));
    Ok(telemetry.build()?)
}

impl Serve {
    /// Whether workers have something to share.
    fn check(&self, config: &Config) -> Result<(), CliError> {
        let has_workers = self.workers > 1 && Workers::this_worker().is_none();
        match has_workers && matches!(config.database, DatabaseUrl::Memory) {
            true => Err(CliError::WorkersInMemory),
            false => Ok(()),
        }
    }

    /// The variables that the command line reads.
    fn variables() -> Vec<String> {
        let serve = Self::augment_args(clap::Command::new("serve"));
        let read = serve.get_arguments().filter_map(|it| Some(it.get_env()?.to_str()?.to_owned()));
        read.collect()
    }
}

async fn replay(arguments: ReplayArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    logging::start(&config.log, config.log_format, None);
    let replay = Replay::load(&arguments.dir, arguments.delay_ms)?;
    let shutdown = Shutdown::on_signals()?;
    let server = bind(arguments.host, arguments.port, Limits::default()).await?;
    let address = server.local_addr();
    say(&format!("Replaying {} recorded calls on http://{address}", replay.len()));
    let program = std::env::args().next().unwrap_or_else(|| "alula".to_owned());
    if replay.speaks(Protocol::OpenAiChat) {
        say(&format!("  OPENAI_BASE_URL=http://{address}/v1 OPENAI_API_KEY=recorded {program}"));
    }
    if replay.speaks(Protocol::AnthropicMessages) {
        say(&format!("  ANTHROPIC_BASE_URL=http://{address} ANTHROPIC_API_KEY=recorded {program}"));
    }
    if replay.speaks(Protocol::GeminiGenerate) {
        say(&format!("  GEMINI_BASE_URL=http://{address} GEMINI_API_KEY=replay {program}"));
    }
    replay.into_app().serve_on(server, shutdown).await?;
    Ok(())
}

async fn print_openapi() -> Result<(), CliError> {
    let llm = llm::demo().map_err(ConfigError::Llm)?;
    let config = Arc::new(Config::in_memory()?);
    let db = Db::open(&DatabaseUrl::Memory).await?;
    let start = Start::without_file(Environment::new(config.clone()));
    let keys = Keys::open(db.clone(), start.plans(), config.keys_stale).await?;
    let jobs = Jobs::open(&config).await?;
    let hangup = Hangup::listen().map_err(StartError::Io)?;
    let services = Services::new((db, keys), llm, start, hangup, jobs, Shutdown::new());
    let document = app::app(services, None, Shutdown::new()).openapi()?;
    say(&format!("{document:#}"));
    Ok(())
}

async fn dev(arguments: DevArgs) -> Result<(), CliError> {
    let DevArgs { host, port, cargo, watch, arguments } = arguments;
    let dev = Dev { address: SocketAddr::new(host, port), cargo, watch, arguments };
    Ok(dev.run(say).await?)
}

fn new(arguments: NewArgs) -> Result<(), CliError> {
    let NewArgs { path, name, alula_path } = arguments;
    let shown = path.display().to_string();
    let made = New { path, name, alula: alula_path }.write()?;
    let from = match &made.alula {
        Some(folder) => format!(
            "the crate alula from {}. Docker does not reach that\n\
             folder: for an image, name a version or a repository in Cargo.toml",
            folder.display()
        ),
        None => format!("alula {} as published", env!("CARGO_PKG_VERSION")),
    };
    let enter = match shown.as_str() {
        "." => String::new(),
        folder => format!("  cd {folder}\n"),
    };
    say(&format!(
        "Made {name}: {files} files, with {from}.\n\n\
         {enter}\
         \x20 cargo run    serves it; then open http://127.0.0.1:8000/docs\n\
         \x20 cargo test   tests it\n\
         \x20 alula dev    serves it, and builds it again when its sources change\n\n\
         Its README says where things are, and .env holds its settings.",
        name = made.name,
        files = made.files,
    ));
    Ok(())
}

async fn bind(host: IpAddr, port: u16, limits: Limits) -> Result<Server, CliError> {
    let bound = Server::bind((host, port), limits).await;
    bound.map_err(|error| CliError::Bind { host, port, error })
}

fn greet(scheme: &str, address: SocketAddr, llm: &alula_llm::Llm, access: Access) {
    let providers = llm.providers().collect::<Vec<_>>().join(", ");
    let model = llm.default_model().unwrap_or("none");
    let demo = match llm.providers().any(|name| name == "demo") {
        true => {
            "\n  This is a demo without a model: set OPENAI_API_KEY, ANTHROPIC_API_KEY or \
             GEMINI_API_KEY, or start Ollama."
        }
        false => "",
    };
    let open = match access {
        Access::Keys => "Requests need a key.",
        Access::ThisMachine => "Requests need no key: only this machine can reach the server.",
        Access::Everybody if address.ip().is_loopback() => {
            "Requests need no key: whoever reaches this port can use your providers."
        }
        Access::Everybody => {
            "Requests need no key: ANYONE who reaches this address can use your providers."
        }
    };
    say(&format!(
        "Alula {version} on {scheme}://{address}\n\
         \x20 Docs       {scheme}://{address}/docs\n\
         \x20 Providers  {providers} (default model {model}){demo}\n\
         \x20 {open}",
        version = env!("CARGO_PKG_VERSION"),
    ));
}

/// Who may use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Whoever has a key.
    Keys,
    ThisMachine,
    Everybody,
}

impl Access {
    fn of(has_keys: bool, allow_unauthenticated: bool) -> Self {
        match (has_keys, allow_unauthenticated) {
            (true, _) => Self::Keys,
            (false, true) => Self::Everybody,
            (false, false) => Self::ThisMachine,
        }
    }
}

/// Prints for the person at the terminal, who may have closed it.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

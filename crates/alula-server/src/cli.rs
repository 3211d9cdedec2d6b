//! The command line.

mod ask;
mod dev;
mod doctor;
mod error;
mod ingest;
mod jobs;
mod keys;
mod local;
mod mcp;
mod new;
mod process;
mod replay;
mod serve;
mod table;
mod usage;
mod values;
mod worker;

use std::{io::Write as _, net::IpAddr, sync::Arc};

use alula::{Limits, Server, Shutdown, StartError};
use clap::{CommandFactory as _, Parser, Subcommand};

pub(crate) use self::{error::CliError, table::printable};
use crate::{
    app::{self, Services, Stores},
    config::{Config, ConfigError},
    db::{DatabaseUrl, Db},
    services::{
        documents::Documents,
        jobs::Jobs,
        keys::Keys,
        llm::{self, Environment},
        reload::{Hangup, Start},
        retrieval::Retrieval,
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
                                         the state of breakers: redis://…, or rediss://… by TLS;
                                         else each has its own
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
  ALULA_ANSWER_SECONDS                   for a whole answer, while another target is left (120)
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
  ALULA_JOBS_QUEUED_MAX                  jobs that wait for their turn (100000)
  ALULA_JOBS_PER_KEY_MAX                 jobs of one key that have not ended (a quarter of these)
  ALULA_JOBS_ATTEMPTS                    how often a job is tried whose provider fails (5)
  ALULA_JOBS_SECONDS                     for each time (3600)
  ALULA_JOBS_LEASE_SECONDS               a worker that is not heard of is gone, and its jobs go to
                                         another one (30)
  ALULA_JOBS_KEPT_SECONDS                jobs that have succeeded or were stopped are kept so long
                                         (86400)
  ALULA_JOBS_FAILED_KEPT_SECONDS         jobs that have failed are kept so long (604800)
  ALULA_JOBS_BYTES_MAX                   the largest answer that is kept (16777216)
  ALULA_BATCH_REQUESTS_MAX               requests of a batch (POST /batches), each of them a job
                                         (10000)
  ALULA_BATCH_BYTES_MAX                  the largest body of a batch (67108864)
  ALULA_BATCH_ATTEMPTS                   how often a request of a batch is tried whose provider
                                         fails (10)
  ALULA_WEBHOOK_SECRET                   signs what a callback_url gets: whsec_ and the base64 of 24
                                         to 64 bytes; a space between several
  ALULA_WEBHOOK_ALLOW                    networks that are not public and may be called (10.1.0.0/16)
  ALULA_WEBHOOK_ATTEMPTS                 how often a callback_url is tried, in 75 hours (10)
  ALULA_WEBHOOK_SECONDS                  for each time (15)
  ALULA_WEBHOOKS_RUNNING_MAX             that are called at a time (32)
  ALULA_IDEMPOTENCY_HOURS                to keep answers to requests with an Idempotency-Key (24)
  ALULA_IDEMPOTENCY_BYTES_MAX            the largest answer of those that is kept (1048576)
  ALULA_IDEMPOTENCY_LEASE_SECONDS        until a request counts no more whose process is gone (30)
  STORAGE_URL                            where files of documents are: file://FOLDER, or, built with
                                         the feature cloud, s3://, gs:// or az:// and a bucket
                                         (files beside the database)
  ALULA_DOCUMENT_BYTES_MAX               the largest file of a document (67108864)
  ALULA_DOCUMENT_TEXT_BYTES_MAX          the largest text of one (16777216)
  ALULA_DOCUMENTS_PER_KEY_MAX            documents of one key (100000)
  ALULA_DOCUMENTS_BYTES_PER_KEY_MAX      bytes of these (10737418240)
  ALULA_DOCUMENTS_PROCESSED_PER_KEY_MAX  of these that are processed, before others are 429 (10000)
  ALULA_UPLOAD_FILES_MAX                 files of one upload (100)
  ALULA_UPLOADS_RUNNING_MAX              documents that arrive at a time, of each worker (16)
  ALULA_UPLOADS_PER_KEY_MAX              of these that one key may send, to each worker (4)
  ALULA_UPLOAD_BYTES_PER_SECOND_MIN      as which a file has to arrive, on average (8192)
  ALULA_EXTRACTIONS_RUNNING_MAX          documents that are read at a time, each by a process of its
                                         own (2)
  ALULA_EXTRACTION_SECONDS               that reading one may compute (30)
  ALULA_EXTRACTION_MEMORY_BYTES_MAX      that it may take (268435456)
  ALULA_CHUNK_TOKENS_MAX                 the largest part of a document that is found (800)
  ALULA_CHUNK_OVERLAP_TOKENS             how much of it the next one repeats (400)
  ALULA_DOCUMENTS_EMBEDDED_MAX           documents that are given vectors at a time (8)
  ALULA_VECTOR_STORES_PER_KEY_MAX        vector stores of one key (10000)
  ALULA_VECTOR_STORE_FILES_MAX           files of one vector store (10000)
  ALULA_VECTOR_STORE_BATCH_FILES_MAX     files that are put into one at once, at most 2000 (2000)
  ALULA_EMBEDDING_MODEL                  the model that makes vectors of documents and of what they
                                         are searched for (provider/model); without it they are
                                         searched by words
  ALULA_EMBEDDING_DIMENSIONS             how many numbers a vector shall have (as the model has it)
  ALULA_EMBEDDINGS_CACHED_MAX            vectors that are kept for texts that come again (100000)
  ALULA_VECTORS_BYTES_MAX                of memory for vectors that are scanned (268435456)
  ALULA_SEARCH_EMBEDDING_SECONDS         to make the vector of a query; then it is searched by words
                                         (5)
  ALULA_SEARCHES_RUNNING_MAX             searches at a time; others wait up to 5 seconds (16)
  ALULA_SEARCH_LIMIT_MAX                 results of a search on a page (100)
  ALULA_DOCUMENT_TOKENS_MAX              the most that a model reads of documents for an answer (4000)
  ALULA_DOCUMENT_SIMILARITY_MIN          how near a part of a document must be to a question to
                                         be read, as a cosine; models differ (0.3)
  ALULA_MCP_ORIGINS                      pages of these origins may use /mcp, beside the server's own
                                         (https://app.example.com; a comma between several)
  ALULA_TOOL_ROUNDS_MAX                  how often a model is asked for an answer with mcp_servers, the
                                         last time without tools (8)
  ALULA_TOOL_SECONDS                     for the whole of such an answer (300)
  ALULA_TOOL_CALLS_MAX                   tools that a model may call at a time (32)
  ALULA_TOOL_RESULT_BYTES_MAX            what a model reads of what a tool gives (65536)
  ALULA_LOG, ALULA_LOG_FORMAT            what to log (info), as text or json, to stderr

  OTEL_EXPORTER_OTLP_ENDPOINT            the collector of OpenTelemetry for traces and metrics, by
                                         OTLP over HTTP (none); other OTEL_… go with it";

/// One server between applications and language models.
#[derive(Debug, Parser)]
#[command(name = "alula", version, about, long_about = LONG_ABOUT, after_help = ENVIRONMENT)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default).
    Serve(serve::ServeArgs),
    /// Do jobs, and answer no requests.
    #[command(after_help = worker::HELP)]
    Worker(worker::WorkerArgs),
    /// List jobs, look at them, do them again, stop them and watch them.
    #[command(after_help = jobs::EXAMPLES)]
    Jobs(jobs::JobsArgs),
    /// Serve models and documents to a program that talks to models, by MCP over stdio; or use MCP
    /// servers by hand, and make them known to programs.
    #[command(after_help = mcp::HELP)]
    Mcp(mcp::McpArgs),
    /// Serve recorded provider traffic as a provider, without network or keys.
    Replay(replay::ReplayArgs),
    /// Make, list, change and revoke the keys of callers.
    #[command(after_help = keys::EXAMPLES)]
    Keys(keys::KeysArgs),
    /// Ask your documents, and see what the answer is from.
    #[command(after_help = ask::HELP)]
    Ask(ask::AskArgs),
    /// Bring documents from this machine, without a server.
    #[command(after_help = ingest::HELP)]
    Ingest(ingest::IngestArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Print what calls have used and cost.
    #[command(after_help = usage::EXAMPLES)]
    Usage(usage::UsageArgs),
    /// Check the configuration, the database, the providers and the machine.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Build and run the program in this folder, and again whenever its sources change.
    #[command(after_help = dev::HELP)]
    Dev(dev::DevArgs),
    /// Make a new application in Rust: endpoints, settings, tests, a Dockerfile.
    #[command(after_help = new::EXAMPLES)]
    New(new::NewArgs),
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> Result<(), CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Io)?;
        let command = self.command.unwrap_or(Command::Serve(self.serve));
        runtime.block_on(async {
            match command {
                Command::Serve(arguments) => serve::run(arguments).await,
                Command::Worker(arguments) => worker::run(arguments).await,
                Command::Mcp(arguments) => mcp::run(arguments).await,
                Command::Replay(arguments) => replay::run(arguments).await,
                Command::Jobs(arguments) => jobs::run(arguments).await,
                Command::Keys(arguments) => keys::run(arguments).await,
                Command::Ask(arguments) => ask::run(arguments).await,
                Command::Ingest(arguments) => ingest::run(arguments).await,
                Command::Openapi => print_openapi().await,
                Command::Usage(arguments) => usage::usage(arguments).await,
                Command::Doctor(arguments) => doctor::run(arguments).await,
                Command::New(arguments) => new::run(arguments),
                Command::Dev(arguments) => dev::run(arguments).await,
            }
        })
    }
}

/// The variables that the command line reads.
fn variables() -> Vec<String> {
    let cli = Cli::command();
    let commands = std::iter::once(&cli).chain(cli.get_subcommands());
    let arguments = commands.flat_map(clap::Command::get_arguments);
    arguments.filter_map(|it| Some(it.get_env()?.to_str()?.to_owned())).collect()
}

async fn print_openapi() -> Result<(), CliError> {
    let llm = llm::demo().map_err(ConfigError::Llm)?;
    let config = Arc::new(Config::in_memory()?);
    let db = Db::open(&DatabaseUrl::Memory).await?;
    let start = Start::without_file(Environment::new(config.clone()));
    let keys = Keys::open(db.clone(), start.plans(), config.keys_stale).await?;
    let jobs = Jobs::open(&config).await?;
    let hangup = Hangup::listen().map_err(StartError::Io)?;
    let retrieval = Retrieval::open(&config, &llm).await?;
    let documents = Documents::open(&config, db.clone(), jobs.clone(), retrieval.clone())?;
    let stores = Stores { db, keys, jobs, retrieval, documents };
    let services = Services::new(stores, llm, start, hangup, Shutdown::new());
    let document = app::app(services, None, Shutdown::new()).openapi()?;
    say(&format!("{document:#}"));
    Ok(())
}

async fn bind(host: IpAddr, port: u16, limits: Limits) -> Result<Server, CliError> {
    let bound = Server::bind((host, port), limits).await;
    bound.map_err(|error| CliError::Bind { host, port, error })
}

/// Prints for the person at the terminal, who may have closed it.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The same, where no program reads.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

//! What a command may fail with.

use std::{fmt, net::IpAddr};

use alula::{HttpError, StartError, serve::TlsError};

use super::{mcp::McpError, table::printable};
use crate::{
    config::ConfigError,
    db::DbError,
    dev::DevError,
    new::NewError,
    replay::ReplayError,
    services::{
        documents::ObjectError,
        jobs::JobsError,
        keys::{KeyError, Refusal},
        retrieval::RetrievalError,
        usage::report::Mistake,
    },
};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    Config(ConfigError),
    Db(DbError),
    Key(KeyError),
    Jobs(JobsError),
    Retrieval(RetrievalError),
    Objects(ObjectError),
    /// Keys in a database that is gone with this process.
    KeysInMemory,
    /// Workers of which each would have a database of its own.
    WorkersInMemory,
    /// A worker whose database nobody else has.
    WorkerInMemory,
    /// A worker that shall do no jobs.
    IdleWorker,
    /// Jobs in a database that is gone with its process.
    JobsInMemory,
    /// Documents in a database that is gone with its process.
    DocumentsInMemory,
    /// There are keys, and none was named.
    WhoseDocuments,
    /// The key that was named is not good.
    Refused(Refusal),
    /// There is no answer in the documents.
    NotInDocuments,
    /// Somebody has stopped it.
    Interrupted,
    /// A job is not there, was not in a state for what was wanted, or did not succeed.
    Job(String),
    Unauthenticated(IpAddr),
    Bind {
        host: IpAddr,
        port: u16,
        error: std::io::Error,
    },
    Tls(TlsError),
    Replay(ReplayError),
    Mcp(McpError),
    New(NewError),
    Dev(DevError),
    Usage(Mistake),
    Report(HttpError),
    /// So many files were not taken, or could not be read.
    NotIngested(usize),
    /// So many checks of the doctor failed.
    Unwell(usize),
    Start(StartError),
}

impl CliError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotInDocuments => 3,
            // As shells have it for SIGINT.
            Self::Interrupted => 130,
            Self::Mcp(error) => error.exit_code(),
            Self::New(NewError::Io(..))
            | Self::Dev(_)
            | Self::Bind { .. }
            | Self::Report(_)
            | Self::NotIngested(_)
            | Self::Unwell(_)
            | Self::Start(_)
            | Self::Job(_)
            | Self::Jobs(JobsError::Store(_))
            | Self::Refused(_)
            | Self::Retrieval(RetrievalError::Store(_))
            | Self::Db(DbError::Unreachable(_) | DbError::TooSlow(_) | DbError::Statement(_))
            | Self::Key(KeyError::Missing(_) | KeyError::Revoked(_) | KeyError::Random(_)) => 1,
            Self::Config(_)
            | Self::Db(_)
            | Self::Jobs(_)
            | Self::Retrieval(_)
            | Self::Objects(_)
            | Self::Key(_)
            | Self::KeysInMemory
            | Self::WorkersInMemory
            | Self::WorkerInMemory
            | Self::JobsInMemory
            | Self::DocumentsInMemory
            | Self::WhoseDocuments
            | Self::IdleWorker
            | Self::Unauthenticated(_)
            | Self::Tls(_)
            | Self::Replay(_)
            | Self::Usage(_)
            | Self::New(_) => 2,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Db(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Jobs(error) => error.fmt(f),
            Self::Retrieval(error) => error.fmt(f),
            Self::Objects(error) => error.fmt(f),
            Self::KeysInMemory => f.write_str(
                "DATABASE_URL is in memory, where a key would be gone at once; name a file or a \
                 Postgres",
            ),
            Self::WorkersInMemory => f.write_str(
                "DATABASE_URL is in memory, where each worker would know its own keys, budgets and \
                 conversations only; name a file or a Postgres, or serve with one worker",
            ),
            Self::WorkerInMemory => f.write_str(
                "DATABASE_URL is in memory, where a worker finds no jobs of others; name a file or a \
                 Postgres",
            ),
            Self::JobsInMemory => f.write_str(
                "DATABASE_URL is in memory, where only the server itself finds its jobs; name a file \
                 or a Postgres",
            ),
            Self::DocumentsInMemory => f.write_str(
                "DATABASE_URL is in memory, where only the server itself finds its documents; name a \
                 file or a Postgres",
            ),
            Self::WhoseDocuments => f.write_str(
                "documents belong to keys: say whose are meant with --key ID, as `alula keys list` \
                 has it",
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotInDocuments => f.write_str("there is no answer in the documents"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Job(reason) => f.write_str(reason),
            Self::IdleWorker => f.write_str(
                "a worker does at least one job at a time, and ALULA_JOBS_RUNNING_MAX is 0; say \
                 --jobs-running-max",
            ),
            Self::Unauthenticated(host) => write!(
                f,
                "{host} can be reached from other machines, and requests need no key: anyone could \
                 use your providers. Make a key with `alula keys create`, listen on 127.0.0.1, or \
                 say --allow-unauthenticated"
            ),
            Self::Bind { host, port, error } => {
                write!(
                    f,
                    "cannot listen on {host} port {port}: {error}; choose another with --port"
                )
            }
            Self::Tls(error) => error.fmt(f),
            Self::Replay(error) => error.fmt(f),
            Self::Mcp(error) => error.fmt(f),
            Self::New(error) => error.fmt(f),
            Self::Dev(error) => error.fmt(f),
            Self::Usage(mistake) => mistake.fmt(f),
            // A provider may repeat what it was sent, be it the text of a document.
            Self::Report(error) => f.write_str(&printable(&error.log_message())),
            Self::NotIngested(1) => f.write_str("one file could not be ingested"),
            Self::NotIngested(files) => write!(f, "{files} files could not be ingested"),
            Self::Unwell(1) => f.write_str("one check failed"),
            Self::Unwell(checks) => write!(f, "{checks} checks failed"),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<DbError> for CliError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<KeyError> for CliError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Db(error) => Self::Db(error),
            error => Self::Key(error),
        }
    }
}

impl From<JobsError> for CliError {
    fn from(error: JobsError) -> Self {
        Self::Jobs(error)
    }
}

impl From<ObjectError> for CliError {
    fn from(error: ObjectError) -> Self {
        Self::Objects(error)
    }
}

impl From<RetrievalError> for CliError {
    fn from(error: RetrievalError) -> Self {
        Self::Retrieval(error)
    }
}

impl From<DevError> for CliError {
    fn from(error: DevError) -> Self {
        Self::Dev(error)
    }
}

impl From<McpError> for CliError {
    fn from(error: McpError) -> Self {
        Self::Mcp(error)
    }
}

impl From<NewError> for CliError {
    fn from(error: NewError) -> Self {
        Self::New(error)
    }
}

impl From<TlsError> for CliError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<ReplayError> for CliError {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Start(StartError::Io(error))
    }
}

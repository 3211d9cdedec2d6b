//! What `alula mcp` may fail with.

use alula::mcp::client::ClientError;

use crate::{
    config::FileError,
    mcp::{bundle::BundleError, install::InstallError},
    services::keys::Refusal,
};

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum McpError {
    #[error("this server has keys, so it needs one of them: say --key, or set ALULA_KEY")]
    KeyMissing,
    #[error("the key is not good: {0}")]
    Key(Refusal),
    #[error("{0}")]
    Mistake(String),
    #[error("{0}")]
    File(FileError),
    #[error("{0}")]
    Client(ClientError),
    #[error("the tool {0} has failed")]
    Failed(String),
    #[error("stopped")]
    Interrupted,
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
    #[error("{0}")]
    Install(#[from] InstallError),
    #[error("{0}")]
    Bundle(#[from] BundleError),
}

impl McpError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            // As shells have it for SIGINT.
            Self::Interrupted => 130,
            Self::Key(Refusal::Away) => 1,
            Self::KeyMissing | Self::Key(_) => 2,
            Self::Client(_) | Self::Failed(_) | Self::Bundle(_) | Self::Signals(_) => 1,
            Self::Install(error) if error.is_trouble() => 1,
            Self::Mistake(_) | Self::File(_) | Self::Install(_) => 2,
        }
    }
}

impl From<ClientError> for McpError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

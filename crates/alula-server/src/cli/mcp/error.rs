//! What `alula mcp` may fail with.

use crate::services::keys::Refusal;

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum McpError {
    #[error("this server has keys, so it needs one of them: say --key, or set ALULA_KEY")]
    KeyMissing,
    #[error("the key is not good: {0}")]
    Key(Refusal),
}

impl McpError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Key(Refusal::Away) => 1,
            Self::KeyMissing | Self::Key(_) => 2,
        }
    }
}

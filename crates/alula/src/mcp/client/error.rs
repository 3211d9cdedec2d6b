//! Why a server did not do what it was asked.

use std::{fmt, time::Duration};

use serde_json::Value;

use crate::mcp::message::RpcError;

/// Why an MCP server did not do what it was asked.
///
/// That a tool has failed is none of these: its [`CallResult`](super::CallResult) says so, in words
/// for the model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientError {
    /// The program cannot be started, or the address not be reached.
    Unreachable(String),
    /// The server has ended or hung up, with what is known of why.
    Closed(String),
    /// Nothing has come in this time.
    Timeout(Duration),
    /// The server sent a message, or a list, of more bytes than this.
    TooLarge(usize),
    /// The server refused the HTTP request.
    Status {
        /// The status.
        status: u16,
        /// What the server said, shortened.
        detail: String,
    },
    /// The server answered with an error of the protocol, such as that there is no such tool.
    Refused {
        /// What kind of error, in the numbers of JSON-RPC and MCP.
        code: i32,
        /// What is wrong.
        message: String,
        /// What else the server says of it.
        data: Option<Value>,
    },
    /// What the server sent is not what the protocol has.
    Protocol(String),
    /// The server asks the user something, and this client has nobody to ask.
    NeedsInput,
}

impl ClientError {
    /// That of an answer.
    pub(super) fn refused(error: &Value) -> Self {
        let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or("no reason was given");
        Self::Refused {
            code: code.try_into().unwrap_or_default(),
            message: message.to_owned(),
            data: error.get("data").cloned(),
        }
    }

    /// Whether a server says so that knows nothing of the newest revision, and may know an older
    /// one.
    pub(super) fn may_be_older(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Closed(_) | Self::Protocol(_) => true,
            Self::Status { status, .. } => {
                matches!(status, 400 | 404 | 405 | 406 | 415 | 422 | 500 | 501)
            }
            _ => false,
        }
    }

    /// Whether the headers of the request lacked what the tool wants there.
    pub(super) fn is_about_headers(&self) -> bool {
        matches!(self, Self::Refused { code: RpcError::HEADER_MISMATCH, .. })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(f, "the MCP server cannot be reached: {reason}"),
            Self::Closed(reason) => write!(f, "the MCP server is gone: {reason}"),
            Self::Timeout(limit) => write!(f, "the MCP server did not answer within {limit:?}"),
            Self::TooLarge(max) => {
                write!(f, "the MCP server sent more than {max} bytes")
            }
            Self::Status { status, detail } if detail.is_empty() => {
                write!(f, "the MCP server answered with status {status}")
            }
            Self::Status { status, detail } => {
                write!(f, "the MCP server answered with status {status}: {detail}")
            }
            Self::Refused { code, message, .. } => {
                write!(f, "the MCP server refused: {message} ({code})")
            }
            Self::Protocol(reason) => write!(f, "the server does not speak MCP: {reason}"),
            Self::NeedsInput => {
                f.write_str("the MCP server asks the user something, and nobody can be asked")
            }
        }
    }
}

impl std::error::Error for ClientError {}

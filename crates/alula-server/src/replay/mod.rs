//! Recorded provider traffic, served as a provider.

mod answer;
mod raw_body;

use std::{fmt, path::Path, time::Duration};

use alula::{App, Body, HttpError, RequestId, Result, State, http::Response, post};
use alula_llm::{
    model::Protocol,
    testing::{Cassettes, LoadError},
};
use serde_json::Value;

use self::raw_body::RawCall;

/// The largest request that is looked for; recordings carry whole documents and sounds.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Recordings, ready to be served.
#[derive(Debug)]
pub(crate) struct Replay {
    cassettes: Cassettes,
    /// The time before each event of a stream.
    delay: Duration,
}

impl Replay {
    /// Reads all recordings below a directory. A file that is none is skipped with a warning.
    ///
    /// # Errors
    ///
    /// If the directory or a recording cannot be read, or there is none.
    pub(crate) fn load(dir: &Path, delay_ms: u64) -> Result<Self, ReplayError> {
        let cassettes = Cassettes::load(dir).map_err(ReplayError::Load)?;
        for skipped in cassettes.skipped() {
            tracing::warn!("skipped {skipped}");
        }
        if cassettes.iter().next().is_none() {
            return Err(ReplayError::Empty(dir.display().to_string()));
        }
        Ok(Self { cassettes, delay: Duration::from_millis(delay_ms) })
    }

    /// How many calls were recorded.
    pub(crate) fn len(&self) -> usize {
        self.cassettes.iter().count()
    }

    /// Whether any of the calls is of this protocol.
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        self.cassettes.iter().any(|call| call.protocol() == Some(protocol))
    }

    /// An application that answers the recorded calls.
    pub(crate) fn into_app(self) -> App {
        App::new("Alula replay", env!("CARGO_PKG_VERSION"))
            .openapi_url(None)
            .max_body(BODY_BYTES_MAX)
            .state(self)
            .route(post("/{*path}", replay))
    }
}

/// Answers a call as it was answered when it was recorded.
///
/// A call that was not recorded is a 404 that says how it differs from the nearest recording.
async fn replay(replay: State<Replay>, id: RequestId, call: RawCall) -> Result<Response<Body>> {
    let request: Value = serde_json::from_slice(&call.body)
        .map_err(|error| HttpError::bad_request(format!("the body is not JSON: {error}")))?;
    match replay.cassettes.find("POST", &call.path, &request) {
        Ok(recorded) => {
            tracing::info!(request_id = %id, file = %recorded.file.display(), "replaying");
            answer::answer(recorded, replay.delay)
        }
        Err(miss) => {
            tracing::warn!(request_id = %id, "{miss}");
            Err(HttpError::not_found(miss.to_string()))
        }
    }
}

/// Why recordings cannot be served.
#[derive(Debug)]
pub(crate) enum ReplayError {
    Load(LoadError),
    /// There is no recording below the directory.
    Empty(String),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => write!(f, "cannot read the recordings: {error}"),
            Self::Empty(dir) => write!(f, "there is no recorded call below {dir}"),
        }
    }
}

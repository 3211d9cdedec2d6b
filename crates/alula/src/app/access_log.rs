//! A line for each request.

use std::{sync::Arc, time::Instant};

use http::{Method, StatusCode, Uri};

use super::App;
use crate::input::RequestId;

impl App {
    /// Whether each request gets a line in the access log; it does by default.
    ///
    /// The log is [`tracing`](https://docs.rs/tracing) with the target `alula::access`, at the
    /// level INFO: a filter there can leave it out, too.
    pub fn access_log(mut self, log: bool) -> Self {
        self.access_log.set(log);
        self
    }

    /// Leaves requests for these paths out of the access log, such as those of a health check.
    ///
    /// A request that is answered with a server error (500 and up) is in it all the same.
    ///
    /// ```
    /// # use alula::App;
    /// let app = App::new("Api", "1.0.0").access_log_skip(["/health", "/health/live"]);
    /// ```
    pub fn access_log_skip<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.access_log.skip(paths);
        self
    }
}

/// Which requests get a line.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessLog {
    off: bool,
    /// Paths whose requests are not worth one.
    skipped: Option<Arc<[String]>>,
}

impl AccessLog {
    pub(super) fn set(&mut self, log: bool) {
        self.off = !log;
    }

    pub(super) fn skip<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        let known = self.skipped.iter().flat_map(|known| known.iter().cloned());
        let all = known.chain(paths.into_iter().map(str::to_owned));
        self.skipped = Some(all.collect());
    }

    /// Begins the line of a request, if anyone reads it.
    pub(super) fn begin(&self, uri: &Uri) -> Option<Line> {
        if self.off || !tracing::enabled!(target: "alula::access", tracing::Level::INFO) {
            return None;
        }
        let is_skipped = |paths: &Arc<[String]>| paths.iter().any(|path| path == uri.path());
        let only_failures = self.skipped.as_ref().is_some_and(is_skipped);
        Some(Line { start: Instant::now(), only_failures })
    }
}

/// What the log will say of a request.
pub(super) struct Line {
    start: Instant,
    only_failures: bool,
}

impl Line {
    pub(super) fn write(self, method: &Method, uri: &Uri, id: &RequestId, status: StatusCode) {
        let Self { start, only_failures } = self;
        if only_failures && !status.is_server_error() {
            return;
        }
        tracing::info!(
            target: "alula::access",
            %method,
            path = uri.path(),
            status = status.as_u16(),
            milliseconds = start.elapsed().as_micros() as f64 / 1000.0,
            request_id = id.as_str(),
            "request"
        );
    }
}

//! An open WebSocket and its handler, in one task.

use std::{any::Any, io, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use axum::extract::Request;
use futures_util::FutureExt as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio_util::sync::DropGuard;

use super::{
    Error, driver::Driver, error::summary, io::Io, limits::Bounds, message::CloseFrame, pipe::Pipe,
};
use crate::{
    dependency::{Outcome, RequestScope},
    error::{HttpError, Panic, Result},
    input::{RequestContext, RequestId},
    middleware::Held,
    serve::Shutdown,
};

/// Where the byte stream comes from.
pub(super) enum Upgrade {
    Hyper(OnUpgrade),
    Test(DuplexStream, DropGuard),
}

/// The connection of a test, among the request's extensions: a pipe within the process, and what
/// tells the test that the session is over.
#[derive(Clone)]
pub(crate) struct TestUpgrade(pub(crate) Arc<std::sync::Mutex<Option<(DuplexStream, DropGuard)>>>);

impl Upgrade {
    /// Takes what the server put into the request.
    pub(super) fn take(request: &mut Request) -> Option<Self> {
        let extensions = request.extensions_mut();
        if let Some(upgrade) = extensions.remove::<OnUpgrade>() {
            return Some(Self::Hyper(upgrade));
        }
        let TestUpgrade(test) = extensions.remove::<TestUpgrade>()?;
        let (io, alive) = test.lock().ok()?.take()?;
        Some(Self::Test(io, alive))
    }

    /// Waits until the client has its answer.
    async fn upgraded(self) -> Result<(Box<dyn Io>, Option<DropGuard>), io::Error> {
        match self {
            Self::Hyper(upgrade) => {
                let upgraded = upgrade.await.map_err(io::Error::other)?;
                Ok((Box::new(TokioIo::new(upgraded)), None))
            }
            Self::Test(io, alive) => Ok((Box::new(io), Some(alive))),
        }
    }
}

/// A connection whose handshake was accepted.
pub(super) struct Session {
    upgrade: Upgrade,
    pipe: Arc<Pipe>,
    limits: Bounds,
    held: Held,
}

/// The request that opened the connection.
pub(super) struct Call {
    scope: RequestScope,
    shutdown: Shutdown,
    request_id: Option<RequestId>,
    path: String,
}

impl Call {
    pub(super) fn new(cx: RequestContext, shutdown: Shutdown) -> Self {
        let request_id = cx.extensions().get::<RequestId>().cloned();
        let path = cx.uri().path().to_owned();
        Self { scope: cx.into_scope(), shutdown, request_id, path }
    }

    fn request_id(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }
}

type Handled = Result<Result<()>, Box<dyn Any + Send>>;

impl Session {
    pub(super) fn new(upgrade: Upgrade, pipe: Arc<Pipe>, limits: Bounds, held: Held) -> Self {
        Self { upgrade, pipe, limits, held }
    }

    /// Runs the handler until it returns, and the connection until it is closed.
    ///
    /// What is still there at the end of a shutdown is dropped, and the exits of its scope run.
    pub(super) async fn run(self, handler: impl Future<Output = Result<()>> + Send, call: Call) {
        let shutdown = call.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.ended() => {}
            () = self.serve(handler, call) => {}
        }
    }

    async fn serve(self, handler: impl Future<Output = Result<()>> + Send, mut call: Call) {
        let Self { upgrade, pipe, limits, held } = self;
        let (io, _alive) = match upgrade.upgraded().await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!(%error, request_id = call.request_id(), "no WebSocket was opened");
                return;
            }
        };
        // Given back before a test learns that the session is over.
        let _held = held;
        let must_end = call.shutdown.streams_must_end();
        let driven = pipe.clone();
        // Its socket is dropped as soon as it is done, however long the handler goes on.
        let mut connection =
            pin!(async move { Driver::new(io, driven, limits, must_end).await.await });
        let mut handler = pin!(AssertUnwindSafe(handler).catch_unwind());
        let handled = tokio::select! {
            biased;
            () = &mut connection => handler.await,
            handled = &mut handler => handled,
        };
        let (outcome, frame) = judge(handled, &pipe, &call);
        // The exits do not wait for a client that takes its time to close.
        call.scope.finish(outcome, !matches!(outcome, Outcome::Error(_) | Outcome::Panicked));
        pipe.close(frame);
        if pipe.is_open() {
            connection.await;
        }
    }
}

/// What the exits see and the client reads; logs what is worth it.
fn judge(handled: Handled, pipe: &Pipe, call: &Call) -> (Outcome, CloseFrame) {
    let is_lost = pipe.closed().is_some_and(|frame| frame.is_lost());
    let error = match handled {
        Ok(Ok(())) => {
            let outcome = if is_lost { Outcome::Disconnected } else { Outcome::Ok };
            return (outcome, CloseFrame::new(CloseFrame::NORMAL, ""));
        }
        Ok(Err(error)) => error,
        Err(panic) => {
            log(&HttpError::internal(Panic::of(&*panic)), call);
            let frame = CloseFrame::new(CloseFrame::INTERNAL, "Internal Server Error");
            return (Outcome::Panicked, frame);
        }
    };
    match error.cause().and_then(|cause| cause.downcast_ref::<Error>()) {
        // The endpoint only passes on that the connection is closed already.
        Some(Error::Closed | Error::Broken { .. }) => {
            (Outcome::Disconnected, CloseFrame::new(CloseFrame::NORMAL, ""))
        }
        Some(Error::Invalid(details)) => {
            let status = http::StatusCode::UNPROCESSABLE_ENTITY;
            (Outcome::Error(status), CloseFrame::new(CloseFrame::POLICY, &summary(details)))
        }
        Some(Error::Serialize(_)) | None => {
            log(&error, call);
            let code = match error.status().is_client_error() {
                true => CloseFrame::POLICY,
                false => CloseFrame::INTERNAL,
            };
            (Outcome::Error(error.status()), CloseFrame::new(code, &reason(error.detail())))
        }
    }
}

/// The detail as text.
fn reason(detail: &Value) -> String {
    match detail {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Logs what the client is not told, as for every endpoint.
fn log(error: &HttpError, call: &Call) {
    let (request_id, path, status) = (call.request_id(), &call.path, error.status().as_u16());
    let message = error.log_message();
    if error.status().is_server_error() {
        tracing::error!(request_id, path, status, "WebSocket: {message}");
    } else if error.cause().is_some() {
        tracing::warn!(request_id, path, status, "WebSocket: {message}");
    }
}

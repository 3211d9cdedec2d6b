//! A WebSocket route at run time, up to the answer to its handshake.

use std::{marker::PhantomData, pin::pin, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Response;
use tracing::Instrument as _;

use super::{
    handshake::Handshake,
    pipe::Pipe,
    session::{Call, Session, Upgrade},
    socket::Opening,
};
use crate::{
    dependency::{Outcome, RequestScope},
    error::{ApiError, HttpError, Panic, Result},
    handler::Handler,
    input::{Input, Rejection, RequestContext},
    middleware::Held,
    openapi::Operation,
    routing::{PlanEndpoint, Settings, caught, fail},
};

/// What a WebSocket endpoint may return: `()`, or a `Result<()>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a WebSocket endpoint",
    note = "return `()` or a `Result<()>`; what the client shall read is sent over the socket"
)]
pub trait WebSocketOutput {
    /// How the endpoint ended.
    ///
    /// # Errors
    ///
    /// What the endpoint failed with.
    fn into_result(self) -> Result<()>;
}

impl WebSocketOutput for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: ApiError> WebSocketOutput for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(ApiError::into_http)
    }
}

pub(super) struct Unplanned<A, H> {
    handler: H,
    arguments: PhantomData<fn(A)>,
}

impl<A, H> Unplanned<A, H> {
    pub(super) fn new(handler: H) -> Self {
        Self { handler, arguments: PhantomData }
    }
}

impl<A, H> PlanEndpoint for Unplanned<A, H>
where
    A: Input,
    H: Handler<A, Output: WebSocketOutput>,
{
    fn is_socket(&self) -> bool {
        true
    }

    fn plan(
        self: Box<Self>,
        operation: &mut Operation<'_>,
        settings: Settings,
        filter: MethodFilter,
    ) -> MethodRouter {
        let plan = A::plan(operation);
        operation.expect_socket_taken();
        let endpoint = Arc::new(Endpoint { handler: self.handler, plan, settings });
        on(filter, move |request: Request| endpoint.clone().run(request))
    }
}

/// A handler with everything it needs.
struct Endpoint<A: Input, H> {
    handler: H,
    plan: A::Plan,
    settings: Settings,
}

impl<A, H> Endpoint<A, H>
where
    A: Input,
    H: Handler<A, Output: WebSocketOutput>,
{
    /// Answers the handshake; the handler runs once the client has the answer.
    async fn run(self: Arc<Self>, mut request: Request) -> Response<Body> {
        let upgrade = Upgrade::take(&mut request);
        let scope = RequestScope::new(self.settings.shutdown.clone());
        let mut cx = RequestContext::new(request, self.settings.limits, scope);
        let opened = caught(self.settings.timeout, pin!(self.open(upgrade, &mut cx))).await;
        let (outcome, error) = match opened {
            Ok(Ok(opened)) => return self.start(opened, cx),
            Ok(Err(error)) => (Outcome::Error(error.status()), error),
            Err(panic) => (Outcome::Panicked, HttpError::internal(Panic::of(&*panic))),
        };
        Box::pin(fail(outcome, error, cx, &self.settings.errors)).await
    }

    /// Everything that can still be refused with a status.
    async fn open(&self, upgrade: Option<Upgrade>, cx: &mut RequestContext) -> Result<Opened<A>> {
        let handshake = Handshake::accept(cx, &self.settings.socket)?;
        let upgrade = upgrade.ok_or_else(|| {
            HttpError::internal("the connection cannot be upgraded; a middleware took it away")
        })?;
        let limits = self.settings.socket.limits.bounds();
        let pipe = Arc::new(Pipe::new(&limits));
        let opening = Opening { pipe: pipe.clone(), protocol: handshake.protocol.clone() };
        cx.parts_mut().extensions.insert(opening);
        for guard in &self.settings.guards {
            if let Err(Rejection::Error(error)) = guard.check(cx).await {
                return Err(error);
            }
        }
        let arguments = match A::extract(&self.plan, cx).await {
            Ok(arguments) if cx.details_len() == 0 => arguments,
            Err(Rejection::Error(error)) => return Err(error),
            Ok(_) | Err(Rejection::Invalid) => {
                return Err(HttpError::validation(cx.take_details()));
            }
        };
        let response = handshake.response();
        // What dependencies say of the answer; for the handler it is too late.
        let response = match cx.take_head() {
            Some(head) => head.apply(response)?,
            None => response,
        };
        let held = Held::of(cx.extensions());
        Ok(Opened { response, arguments, session: Session::new(upgrade, pipe, limits, held) })
    }

    fn start(self: Arc<Self>, opened: Opened<A>, cx: RequestContext) -> Response<Body> {
        let Opened { response, arguments, session } = opened;
        let endpoint = self.clone();
        let handler = async move { endpoint.handler.call(arguments).await.into_result() };
        let call = Call::new(cx, self.settings.shutdown.clone());
        let session = session.run(handler, call).in_current_span();
        self.settings.shutdown.spawn_session(session);
        response
    }
}

/// A connection that is about to be upgraded.
struct Opened<A> {
    response: Response<Body>,
    arguments: A,
    session: Session,
}

//! A route at run time.

use std::{marker::PhantomData, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    routing::{MethodFilter, MethodRouter, on},
};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::deadline::caught;
use crate::{
    dependency::{Guard, Outcome, RequestScope, finish_with},
    error::{ErrorContext, ErrorPolicy, HttpError, Panic, RequestHead, Result},
    handler::Handler,
    input::{BodyLimits, Input, Rejection, RequestContext},
    openapi::Operation,
    output::{Output, ResponseContext, ResponseHead},
    serve::Shutdown,
};

/// A handler whose types are forgotten until it is planned.
pub(crate) trait PlanEndpoint: Send {
    /// Whether it opens a WebSocket.
    #[cfg(feature = "ws")]
    fn is_socket(&self) -> bool {
        false
    }

    /// Describes the handler's input and output, and makes it ready to run.
    fn plan(
        self: Box<Self>,
        operation: &mut Operation<'_>,
        settings: Settings,
        filter: MethodFilter,
    ) -> MethodRouter;
}

/// What an endpoint needs beside its handler.
pub(crate) struct Settings {
    pub(crate) status: StatusCode,
    pub(crate) limits: BodyLimits,
    /// The longest wait for an answer.
    pub(crate) timeout: Option<Duration>,
    /// Whether the endpoint goes on when its client leaves.
    pub(crate) to_completion: bool,
    pub(crate) guards: Vec<Box<dyn Guard>>,
    pub(crate) errors: Arc<ErrorPolicy>,
    pub(crate) shutdown: Shutdown,
    #[cfg(feature = "ws")]
    pub(crate) socket: crate::ws::SocketOptions,
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
    H: Handler<A, Output: Output>,
{
    fn plan(
        self: Box<Self>,
        operation: &mut Operation<'_>,
        settings: Settings,
        filter: MethodFilter,
    ) -> MethodRouter {
        let plan = A::plan(operation);
        H::Output::describe(operation, settings.status.as_u16());
        let endpoint = Arc::new(Endpoint { handler: self.handler, plan, settings });
        on(filter, move |request: Request| endpoint.clone().run(request))
    }
}

/// A handler with everything it needs to answer.
pub(crate) struct Endpoint<A: Input, H> {
    handler: H,
    plan: A::Plan,
    settings: Settings,
}

impl<A, H> Endpoint<A, H>
where
    A: Input,
    H: Handler<A, Output: Output>,
{
    /// Answers a request.
    ///
    /// The future is moved a few times on its way into hyper, so what is rare is boxed to keep it
    /// small: the end of a scope that has something to do, and errors.
    fn run(self: Arc<Self>, request: Request) -> impl Future<Output = Response<Body>> + Send {
        let scope = RequestScope::new(self.settings.shutdown.clone());
        let mut cx = RequestContext::new(request, self.settings.limits, scope);
        async move {
            let answer = caught(self.settings.timeout, pin!(self.answer(&mut cx))).await;
            let (outcome, error) = match answer {
                Ok(Ok(response)) if cx.has_nothing_to_finish() => return response,
                Ok(Ok(response)) => {
                    let needs_reader = !self.settings.to_completion;
                    return Box::pin(succeed(response, cx, needs_reader)).await;
                }
                Ok(Err(error)) => (Outcome::Error(error.status()), error),
                Err(panic) => (Outcome::Panicked, HttpError::internal(Panic::of(&*panic))),
            };
            Box::pin(fail(outcome, error, cx, &self.settings.errors)).await
        }
    }

    async fn answer(&self, cx: &mut RequestContext) -> Result<Response<Body>> {
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
        let output = self.handler.call(arguments).await;
        let head = cx.take_head();
        let Settings { shutdown, status, errors, .. } = &self.settings;
        let status = head.as_ref().and_then(ResponseHead::chosen_status).unwrap_or(*status);
        let request = RequestHead::of(cx.parts());
        let response = output.respond(&ResponseContext::new(request, shutdown, status, errors))?;
        match head {
            Some(head) => head.apply(response),
            None => Ok(response),
        }
    }
}

/// Without a need for a reader, an answer that is no stream is complete once it is made.
async fn succeed(
    response: Response<Body>,
    cx: RequestContext,
    needs_reader: bool,
) -> Response<Body> {
    let is_stream = response.body().size_hint().exact().is_none();
    let is_sent = cx.method() != Method::HEAD && (needs_reader || is_stream);
    let scope = cx.into_scope();
    scope.returned(Outcome::Ok).await;
    finish_with(response, scope, is_sent)
}

/// Answers with an error, after the exits have seen it.
pub(crate) async fn fail(
    outcome: Outcome,
    error: HttpError,
    cx: RequestContext,
    errors: &Arc<ErrorPolicy>,
) -> Response<Body> {
    let request = ErrorContext::new(RequestHead::of(cx.parts()), cx.known_bytes());
    let handled = errors.handle(error, &request);
    handled.log(&request);
    let response = errors.response(handled, &request);
    cx.into_scope().failed(outcome).await;
    response
}

//! One request and its response: the service of the application as hyper calls it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST},
};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};
use pin_project_lite::pin_project;

use super::{
    activity::{Activity, InFlight},
    bell::Bell,
};
use crate::{error::HttpError, middleware::IsHttps, output::error_response};

/// The address that a request came from, in the request's extensions.
///
/// This is the other end of the TCP connection, which may be a proxy. An IPv4 address that
/// reached an IPv6 socket is given as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// What a [`Server`](super::Server) can run: an [`axum::Router`], with or without tower layers.
///
/// Implemented for every service with the right types; the trait only gives them a name.
pub trait HttpService:
    tower_service::Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
}

impl<S> HttpService for S where
    S: tower_service::Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// The application as one connection sees it.
#[derive(Debug)]
pub(super) struct Exchanges<S> {
    service: TowerToHyperService<S>,
    peer: PeerAddr,
    /// The connection is encrypted.
    https: bool,
    activity: Arc<Activity>,
}

impl<S> Exchanges<S> {
    pub(super) fn new(service: S, peer: PeerAddr, https: bool, activity: Arc<Activity>) -> Self {
        Self { service: TowerToHyperService::new(service), peer, https, activity }
    }
}

impl<S: HttpService> Exchanges<S> {
    /// Answers a request that the application is not to see.
    pub(super) fn refuse(&self, request: &Request<Incoming>, refusal: Refusal) -> Exchange<S> {
        let in_flight = Some(self.activity.request(!request.body().is_end_stream()));
        Exchange { answer: Answer::Refused { refusal }, in_flight }
    }
}

/// What is wrong with a request that the application does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoHost,
    TwoHosts,
    TooManyHeaders,
}

impl Refusal {
    /// The answer, which ends the connection where there is one request at a time.
    fn response(self) -> Response<Body> {
        let (status, detail) = match self {
            Self::NoHost => (400, "No Host header"),
            Self::TwoHosts => (400, "More than one Host header"),
            Self::TooManyHeaders => (431, "Too many headers"),
        };
        let close = HeaderValue::from_static("close");
        error_response(&HttpError::new(status, detail).header(CONNECTION, close))
    }
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Exchanges<S> {
    type Response = Response<GuardedBody>;
    type Error = Infallible;
    type Future = Exchange<S>;

    fn call(&self, mut request: Request<Incoming>) -> Exchange<S> {
        let in_flight = Some(self.activity.request(!request.body().is_end_stream()));
        if let Err(refusal) = check_host(&request) {
            return Exchange { answer: Answer::Refused { refusal }, in_flight };
        }
        request.extensions_mut().insert(self.peer);
        if self.https {
            request.extensions_mut().insert(IsHttps(true));
        }
        Exchange { answer: Answer::Service { call: self.service.call(request) }, in_flight }
    }
}

/// RFC 9112, section 3.2: a 400 to a request without `Host`, or with more than one.
///
/// Two readers of a request that disagree on its host is how caches are poisoned.
fn check_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(Refusal::TwoHosts),
        (None, None) if request.version() >= Version::HTTP_11 => Err(Refusal::NoHost),
        (_, None) => Ok(()),
    }
}

pin_project! {
    /// The future of one response.
    pub(super) struct Exchange<S>
    where
        S: HttpService,
    {
        #[pin]
        answer: Answer<S>,
        // Taken by the response.
        in_flight: Option<InFlight>,
    }
}

pin_project! {
    #[project = AnswerProjection]
    enum Answer<S>
    where
        S: HttpService,
    {
        Service { #[pin] call: TowerToHyperServiceFuture<S, Request<Incoming>> },
        Refused { refusal: Refusal },
    }
}

impl<S: HttpService> Future for Exchange<S> {
    type Output = Result<Response<GuardedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.answer.project() {
            AnswerProjection::Service { call } => match ready!(call.poll(cx)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
            AnswerProjection::Refused { refusal } => refusal.response(),
        };
        let in_flight = this.in_flight.take();
        if in_flight.as_ref().is_some_and(InFlight::is_last) {
            say_goodbye(&mut response);
        }
        Poll::Ready(Ok(response.map(|body| GuardedBody::new(body, in_flight))))
    }
}

/// Asks the client to use another connection; one that leaves HTTP is not meant.
fn say_goodbye(response: &mut Response<Body>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

pin_project! {
    /// A response body; its request is in flight until hyper drops it.
    #[derive(Debug)]
    pub(super) struct GuardedBody {
        #[pin]
        body: Body,
        // There is one once the body has made somebody wait.
        bell: Option<Bell>,
        // Nothing comes before the bell rings.
        waits: bool,
        _in_flight: Option<InFlight>,
    }
}

impl GuardedBody {
    fn new(body: Body, in_flight: Option<InFlight>) -> Self {
        Self { body, bell: None, waits: false, _in_flight: in_flight }
    }
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let Some(bell) = this.bell else {
            let polled = this.body.poll_frame(cx);
            *this.bell = polled.is_pending().then(Bell::new);
            return polled;
        };
        if !bell.has_rung(cx) && *this.waits {
            return Poll::Pending;
        }
        let polled = this.body.poll_frame(&mut Context::from_waker(bell.waker()));
        *this.waits = polled.is_pending();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! The rules around a service.

use std::ops::ControlFlow;

use axum::{body::Body, extract::Request};
use http::{HeaderValue, Response, header};
use tower_layer::Layer;

use super::{Cors, policy::Policy, preflight};
use crate::middleware::around::{Around, Heads};

impl<S> Layer<S> for Cors {
    type Service = Around<CorsRules, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.rules(), inner)
    }
}

/// The rules of a [`Cors`].
#[derive(Debug)]
pub struct CorsRules(Policy);

impl Cors {
    pub(crate) fn rules(&self) -> CorsRules {
        CorsRules(Policy::new(self.clone()))
    }
}

impl CorsRules {
    /// The answer to a preflight request; nothing for any other.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response<Body>> {
        let asked = preflight::asked(request.method(), request.headers())?;
        Some(preflight::answer(&self.0, asked, request))
    }
}

impl Heads for CorsRules {
    /// The origin of the page, if one asks.
    type Memory = Option<HeaderValue>;

    fn request(&self, request: &mut Request) -> ControlFlow<Response<Body>, Self::Memory> {
        match self.preflight(request) {
            Some(answer) => ControlFlow::Break(answer),
            None => ControlFlow::Continue(request.headers().get(header::ORIGIN).cloned()),
        }
    }

    fn response(
        &self,
        origin: Option<HeaderValue>,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let (policy, headers) = (&self.0, response.headers_mut());
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return response };
        for (name, value) in &policy.answer {
            headers.insert(name, value.clone());
        }
        if !policy.rules.any_origin && policy.allows_origin(&origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        response
    }
}

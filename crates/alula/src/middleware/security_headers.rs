//! What browsers are told to be careful about.

use std::{ops::ControlFlow, time::Duration};

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tower_layer::Layer;

use super::{
    Checked,
    around::{Around, Heads},
};

/// Tells browsers to treat answers as data: the headers that are recommended for an API.
///
/// | header | value |
/// |---|---|
/// | `X-Content-Type-Options` | `nosniff` |
/// | `X-Frame-Options` | `DENY` |
/// | `Referrer-Policy` | `no-referrer` |
/// | `Content-Security-Policy` | `default-src 'none'; frame-ancestors 'none'` |
/// | `Strict-Transport-Security` | only after [`hsts`](Self::hsts) |
///
/// A header that the answer has already is left as it is, so that the documentation at `/docs`
/// keeps its own policy. Pages of yours need one, too: see
/// [`content_security_policy`](Self::content_security_policy).
///
/// ```
/// use std::time::Duration;
///
/// use alula::{App, middleware::SecurityHeaders};
///
/// let headers = SecurityHeaders::new().hsts(Duration::from_secs(365 * 24 * 3600));
/// let app = App::new("Api", "1.0.0").layer(headers);
/// assert!(app.openapi().is_ok());
/// ```
#[derive(Debug, Clone)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct SecurityHeaders {
    headers: HeaderMap,
    mistakes: Vec<String>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl SecurityHeaders {
    /// All but `Strict-Transport-Security`.
    pub fn new() -> Self {
        let headers = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Self { headers: headers.into_iter().collect(), mistakes: Vec::new() }
    }

    /// Has browsers use `https` only, for so long, with all names below this one; no less than a
    /// year is usual.
    ///
    /// A browser that has read it does not come back by `http` before the time is over.
    pub fn hsts(self, max_age: Duration) -> Self {
        let seconds = max_age.as_secs();
        let value = format!("max-age={seconds}; includeSubDomains");
        self.set(header::STRICT_TRANSPORT_SECURITY, Some(&value))
    }

    /// Another policy for pages, or none.
    ///
    /// ```
    /// use alula::middleware::SecurityHeaders;
    ///
    /// let headers = SecurityHeaders::new().content_security_policy("default-src 'self'");
    /// ```
    pub fn content_security_policy<'a>(self, policy: impl Into<Option<&'a str>>) -> Self {
        self.set(header::CONTENT_SECURITY_POLICY, policy.into())
    }

    /// Another `X-Frame-Options`, such as `SAMEORIGIN`, or none.
    ///
    /// Browsers ignore it where the policy has `frame-ancestors`.
    pub fn frame_options<'a>(self, options: impl Into<Option<&'a str>>) -> Self {
        self.set(header::X_FRAME_OPTIONS, options.into())
    }

    /// Another `Referrer-Policy`, or none.
    pub fn referrer_policy<'a>(self, policy: impl Into<Option<&'a str>>) -> Self {
        self.set(header::REFERRER_POLICY, policy.into())
    }

    /// Another header, such as `permissions-policy`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.set(name, Some(value)),
            Err(_) => {
                let mistake = format!("`SecurityHeaders`: {name:?} is no name of a header");
                self.mistakes.push(mistake);
                self
            }
        }
    }

    fn set(mut self, name: HeaderName, value: Option<&str>) -> Self {
        match value.map(HeaderValue::try_from) {
            None => {
                self.headers.remove(name);
            }
            Some(Ok(value)) => {
                self.headers.insert(name, value);
            }
            Some(Err(_)) => {
                let value = value.unwrap_or_default();
                let mistake = format!("`SecurityHeaders`: `{name}` cannot be {value:?}");
                self.mistakes.push(mistake);
            }
        }
        self
    }
}

impl Checked for SecurityHeaders {
    fn mistakes(&self) -> Vec<String> {
        self.mistakes.clone()
    }
}

impl<S> Layer<S> for SecurityHeaders {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Heads for SecurityHeaders {
    type Memory = ();

    fn request(&self, _: &mut Request) -> ControlFlow<Response<Body>> {
        ControlFlow::Continue(())
    }

    fn response(&self, (): (), mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        response
    }
}

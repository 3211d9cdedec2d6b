//! Requests of pages from other origins.

mod policy;
mod preflight;
mod service;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use regex::Regex;

pub(crate) use self::service::CorsRules;
use super::Checked;

/// Lets pages of other origins use the API: cross-origin resource sharing.
///
/// It answers a browser's preflight requests, and tells the browser with every other answer,
/// errors included, which pages may read it. The rules and the answers are those of FastAPI's
/// `CORSMiddleware`: without further words no origin is allowed, the method is `GET`, and a
/// browser remembers a preflight for ten minutes.
///
/// ```
/// use alula::{App, middleware::Cors};
///
/// let cors = Cors::new()
///     .origin("https://app.example.com")
///     .any_method()
///     .any_header()
///     .credentials()
///     .expose(["x-request-id"]);
/// let app = App::new("Api", "1.0.0").layer(cors);
/// assert!(app.openapi().is_ok());
/// ```
///
/// On a router or a route it also answers the preflight requests for their paths. An origin with
/// a path or a slash at its end, a pattern that is no regular expression, and credentials for any
/// origin are mistakes: the application does not start.
#[derive(Debug, Clone)]
#[must_use = "a middleware does nothing until it is a `.layer(…)`"]
pub struct Cors {
    origins: Vec<HeaderValue>,
    any_origin: bool,
    pattern: Option<Regex>,
    methods: Vec<Method>,
    any_method: bool,
    headers: Vec<HeaderName>,
    any_header: bool,
    exposed: Vec<HeaderName>,
    credentials: bool,
    private_network: bool,
    max_age: Duration,
    mistakes: Vec<String>,
}

impl Default for Cors {
    fn default() -> Self {
        Self::new()
    }
}

impl Cors {
    /// Allows nothing yet.
    pub fn new() -> Self {
        Self {
            origins: Vec::new(),
            any_origin: false,
            pattern: None,
            methods: vec![Method::GET],
            any_method: false,
            headers: Vec::new(),
            any_header: false,
            exposed: Vec::new(),
            credentials: false,
            private_network: false,
            max_age: Duration::from_secs(600),
            mistakes: Vec::new(),
        }
    }

    /// Allows the pages of an origin, such as `https://app.example.com` or
    /// `http://localhost:3000`.
    pub fn origin(mut self, origin: &str) -> Self {
        match policy::origin(origin) {
            Ok(origin) => self.origins.push(origin),
            Err(mistake) => self.mistakes.push(mistake),
        }
        self
    }

    /// Allows the pages of several origins.
    pub fn origins<'a>(self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        origins.into_iter().fold(self, Self::origin)
    }

    /// Allows the pages of every origin, for an API whose callers bring keys and no cookies.
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Allows the origins that match a regular expression as a whole, besides those that are
    /// listed. Dots that mean dots need a backslash.
    ///
    /// ```
    /// let cors = alula::middleware::Cors::new()
    ///     .origin_pattern(r"https://([a-z0-9-]+\.)?example\.com");
    /// ```
    pub fn origin_pattern(mut self, pattern: &str) -> Self {
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern) => self.pattern = Some(pattern),
            Err(error) => {
                self.mistakes.push(format!("`Cors`: the pattern {pattern:?} of origins: {error}"));
            }
        }
        self
    }

    /// The methods that pages may use, in place of `GET`.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Lets pages use every method.
    pub fn any_method(mut self) -> Self {
        self.any_method = true;
        self
    }

    /// The headers that pages may send, besides `Accept`, `Accept-Language`, `Content-Language`
    /// and `Content-Type`.
    pub fn headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = self.names(names);
        self.headers.extend(names);
        self
    }

    /// Lets pages send every header.
    pub fn any_header(mut self) -> Self {
        self.any_header = true;
        self
    }

    /// The headers of an answer that pages may read.
    pub fn expose<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = self.names(names);
        self.exposed.extend(names);
        self
    }

    /// Lets pages send cookies and other credentials that the browser keeps.
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// Lets public pages reach a server in a private network.
    pub fn private_network(mut self) -> Self {
        self.private_network = true;
        self
    }

    /// How long a browser may remember the answer to a preflight request, in whole seconds; ten
    /// minutes by default.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    fn names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Vec<HeaderName> {
        let mut valid = Vec::new();
        for name in names {
            match HeaderName::try_from(name) {
                Ok(name) => valid.push(name),
                Err(_) => self.mistakes.push(format!("`Cors`: {name:?} is no name of a header")),
            }
        }
        valid
    }
}

impl Checked for Cors {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.mistakes.clone();
        if self.any_origin && self.credentials {
            mistakes.push(
                "`Cors`: credentials for any origin let every page act for its visitors; list \
                 the origins, or leave `.credentials()` out"
                    .to_owned(),
            );
        }
        mistakes
    }
}

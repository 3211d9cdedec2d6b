//! What is counted of requests.

use std::time::Duration;

use super::{
    instruments::{Counter, Gauge, Histogram},
    registry::registry,
    series::Series,
};

/// More than there are methods of routes.
const ROUTES_MAX: usize = 512;

/// Seconds, up to the longest answers.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The classes of statuses; the last one is of requests whose client left before it had one.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// The requests of the server.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    routes: Series<Route>,
    in_flight: Gauge,
    streams: Gauge,
}

/// A method of a route.
#[derive(Debug)]
struct Route {
    method: &'static str,
    route: String,
    by_class: [Counter; CLASSES.len()],
    duration: Histogram,
    sent: Counter,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) method: &'static str,
    /// The template, such as `/jobs/{id}`, never the path: clients make up paths.
    pub(crate) route: &'a str,
    pub(crate) status: Option<u16>,
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
}

impl HttpMetrics {
    pub(crate) fn new() -> Self {
        let gauge = |name, help| registry().gauge(name, help, &[]);
        Self {
            routes: Series::new(ROUTES_MAX),
            in_flight: gauge("alula_http_requests_in_flight", "Requests that are being answered."),
            streams: gauge("alula_http_open_streams", "Answers that are being streamed."),
        }
    }

    /// A request has come.
    pub(crate) fn came(&self) {
        self.in_flight.add(1);
    }

    /// The answer is a stream, which has begun.
    pub(crate) fn streams(&self) {
        self.streams.add(1);
    }

    pub(crate) fn ended(&self, ended: Ended<'_>, was_stream: bool) {
        self.in_flight.add(-1);
        self.streams.add(-i64::from(was_stream));
        let Ended { method, route, status, took, bytes } = ended;
        let known = |it: &Route| it.method == method && it.route == route;
        let Some(of_route) = self.routes.of(&(method, route), known, || Route::new(method, route))
        else {
            return;
        };
        let class =
            status.map_or(CLASSES.len() - 1, |status| usize::from(status / 100).saturating_sub(1));
        if let Some(count) = of_route.by_class.get(class) {
            count.add(1);
        }
        of_route.duration.observe(took);
        of_route.sent.add(bytes);
    }
}

impl Route {
    fn new(method: &'static str, route: &str) -> Self {
        let both = [("method", method), ("route", route)];
        let of_class = |class| {
            let [method, route] = both;
            let labels = [method, route, ("status", class)];
            registry().counter(
                "alula_http_requests_total",
                "Requests that were answered, by the class of the status.",
                &labels,
            )
        };
        Self {
            method,
            route: route.to_owned(),
            by_class: CLASSES.map(of_class),
            duration: registry().histogram(
                "alula_http_request_duration_seconds",
                "From a request to the end of its answer; of a stream, to its last byte.",
                &SECONDS,
                &both,
            ),
            sent: registry().counter(
                "alula_http_response_bytes_total",
                "Bytes of the bodies of answers.",
                &both,
            ),
        }
    }
}

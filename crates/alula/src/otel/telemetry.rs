//! The way to the collector.

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry::{KeyValue, global, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::SdkTracerProvider,
};
use tokio::task::JoinError;
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, registry::LookupSpan};

use super::{client::Client, metrics::Instruments};
use crate::app::App;

/// The name under which spans and metrics are made.
const SCOPE: &str = "alula";

/// How long the last batches may take at the end, unless the program says otherwise.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// Why telemetry could not be set up.
#[derive(Debug)]
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenTelemetry cannot be set up: {}", self.0)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error(error.into())
}

/// Traces and metrics on their way to a collector; clones are the same.
///
/// See the [module](super).
#[derive(Clone)]
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    instruments: Arc<Instruments>,
    level: Level,
    flush: Duration,
}

impl Telemetry {
    /// Settings for a service of this name, unless `OTEL_SERVICE_NAME` has another one.
    pub fn builder(service_name: impl Into<String>) -> Builder {
        Builder {
            service_name: service_name.into(),
            service_version: None,
            endpoint: None,
            level: Level::INFO,
            flush: FLUSH_TIME,
        }
    }

    /// What turns spans of [`tracing`](https://docs.rs/tracing) into those of OpenTelemetry; to be
    /// added to the subscriber of the process.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer(SCOPE))
            // Where in the program a span was made is told by its name well enough.
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(LevelFilter::from_level(self.level))
    }

    /// Sends what is left and stops. An application that has the telemetry does it at its end.
    ///
    /// It takes as long as [`Builder::flush`] says at most. What happens later is not sent.
    pub async fn shutdown(&self) {
        let Self { traces, metrics, flush, .. } = self.clone();
        // Each waits for a thread of its own, which needs this runtime.
        let traces = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(flush));
        let metrics = tokio::task::spawn_blocking(move || metrics.shutdown_with_timeout(flush));
        let both = async {
            note("traces", traces.await);
            note("metrics", metrics.await);
        };
        if tokio::time::timeout(flush, both).await.is_err() {
            tracing::warn!("the collector did not take the last traces and metrics in time");
        }
    }

    pub(super) fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }
}

fn note(what: &str, flushed: Result<OTelSdkResult, JoinError>) {
    if let Ok(Err(error)) = flushed {
        tracing::warn!(%error, "the last {what} did not reach the collector");
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("level", &self.level).finish_non_exhaustive()
    }
}

impl App {
    /// Makes a span and measurements for every request; see [`otel`](super). What is left of them
    /// is sent when the application ends, after everything else.
    pub fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }
}

/// The settings of a [`Telemetry`] that are not in the environment.
#[must_use = "nothing is set up before `build`"]
#[derive(Debug, Clone)]
pub struct Builder {
    service_name: String,
    service_version: Option<String>,
    endpoint: Option<String>,
    level: Level,
    flush: Duration,
}

impl Builder {
    /// The version of the service.
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.service_version = Some(version.into());
        self
    }

    /// The collector, such as `http://localhost:4318`, whatever the environment says.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The level up to which spans, and what is logged in them, are sent; `INFO` by default.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// How long the last batches may take when the application ends; 5 s by default.
    pub fn flush(mut self, limit: Duration) -> Self {
        self.flush = limit;
        self
    }

    /// Sets everything up, also as what [`opentelemetry::global`] returns, so that the traces and
    /// metrics of other libraries of this process are sent, too.
    ///
    /// # Errors
    ///
    /// If an address or a setting of the environment cannot be used, or TLS cannot be set up.
    /// That the collector is away is no error. Everything is sent on the tokio runtime that this
    /// is called on, so there must be one.
    ///
    /// [`opentelemetry::global`]: https://docs.rs/opentelemetry/latest/opentelemetry/global
    pub fn build(self) -> Result<Telemetry, Error> {
        let client = Client::new()?;
        let resource = self.resource();
        let mut spans = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let mut points = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        if let Some(endpoint) = &self.endpoint {
            let endpoint = endpoint.trim_end_matches('/');
            spans = spans.with_endpoint(format!("{endpoint}/v1/traces"));
            points = points.with_endpoint(format!("{endpoint}/v1/metrics"));
        }
        let spans = spans.with_http_client(client.clone()).build().map_err(failed)?;
        let points = points.with_http_client(client).build().map_err(failed)?;
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_resource(resource.clone())
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(points).build())
            .with_resource(resource)
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(traces.clone());
        global::set_meter_provider(metrics.clone());
        let instruments = Arc::new(Instruments::new(&metrics.meter(SCOPE)));
        Ok(Telemetry { traces, metrics, instruments, level: self.level, flush: self.flush })
    }

    /// Who sends: what the environment says, then what the program says.
    fn resource(&self) -> Resource {
        let given = Resource::builder().build();
        let has = |key: &'static str| given.get(&key.into());
        let mut resource = Resource::builder();
        // The SDK makes a name up if it finds none.
        let has_name =
            has("service.name").is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        if !has_name {
            resource = resource.with_service_name(self.service_name.clone());
        }
        if let Some(version) = &self.service_version
            && has("service.version").is_none()
        {
            resource = resource.with_attribute(KeyValue::new("service.version", version.clone()));
        }
        resource.build()
    }
}

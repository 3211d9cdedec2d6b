//! What is told of every call: to a hook, as spans, and as measurements.
//!
//! Where nobody listens a [`Call`] is empty, and nothing is noted.

mod call;
mod content;
#[cfg(feature = "otel")]
mod metrics;
mod pieces;
mod record;
mod span;

#[cfg(feature = "otel")]
use std::time::Duration;
use std::{fmt, sync::Arc};

#[cfg(feature = "otel")]
use opentelemetry::KeyValue;
use tracing::Span;

pub(crate) use call::{Answered, Call};
#[cfg(feature = "otel")]
pub(crate) use metrics::Instruments;
pub use record::{CallRecord, Outcome};

use crate::{BreakerState, Error, Prices};

type Hook = Arc<dyn Fn(&CallRecord) + Send + Sync>;

/// Who listens to the calls of one [`Llm`](crate::Llm).
#[derive(Clone)]
pub(crate) struct Listener {
    hook: Hook,
    /// Who listens besides.
    others: Option<Arc<Self>>,
}

impl Listener {
    pub(crate) fn new(
        hook: impl Fn(&CallRecord) + Send + Sync + 'static,
        others: Option<Self>,
    ) -> Self {
        Self { hook: Arc::new(hook), others: others.map(Arc::new) }
    }

    fn tell(&self, record: &CallRecord) {
        let mut next = Some(self);
        while let Some(listener) = next {
            (listener.hook)(record);
            next = listener.others.as_deref();
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// Who is told of a call, and on whose behalf it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) observer: &'a Arc<Observer>,
    pub(crate) scope: Option<&'a Arc<str>>,
    pub(crate) listener: Option<&'a Listener>,
}

/// Who listens to calls, and what it needs to know.
pub(crate) struct Observer {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) prices: Prices,
    pub(crate) records_content: bool,
    #[cfg(feature = "otel")]
    pub(crate) instruments: Option<Instruments>,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            hooks: Vec::new(),
            prices: Prices::builtin(),
            records_content: false,
            #[cfg(feature = "otel")]
            instruments: None,
        }
    }
}

impl Observer {
    fn has_listeners(&self) -> bool {
        !self.hooks.is_empty() || self.measures()
    }
}

#[cfg(feature = "otel")]
impl Observer {
    fn measures(&self) -> bool {
        self.instruments.is_some()
    }

    fn measure_piece(&self, gap: Duration, attributes: &[KeyValue]) {
        if let Some(instruments) = &self.instruments {
            instruments.piece(gap, attributes);
        }
    }

    fn measure(&self, record: &CallRecord, server: Option<&Server>) {
        if let Some(instruments) = &self.instruments {
            instruments.call(record, server);
        }
    }

    fn measure_target(&self, provider: &str, model: &str, breaker: BreakerState) {
        if let Some(instruments) = &self.instruments {
            instruments.breaker(provider, model, breaker);
        }
    }
}

#[cfg(not(feature = "otel"))]
impl Observer {
    fn measures(&self) -> bool {
        false
    }

    fn measure(&self, _: &CallRecord, _: Option<&Server>) {}

    fn measure_target(&self, _: &str, _: &str, _: BreakerState) {}
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Observer");
        debug.field("hooks", &self.hooks.len());
        debug.field("records_content", &self.records_content).finish_non_exhaustive()
    }
}

/// Notes in the span of an attempt that it failed.
pub(crate) fn attempt_failed(span: &Span, error: &Error) {
    span::failed(span, error.kind().name());
}

/// Where a provider is, for the spans of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) port: u16,
}

impl Server {
    /// The host and port of a URL.
    pub(crate) fn of(base_url: &str) -> Option<Self> {
        let url = reqwest::Url::parse(base_url).ok()?;
        Some(Self { address: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }
}

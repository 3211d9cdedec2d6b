//! What the server says of itself, line by line, on stderr.

mod filter;
mod json;
mod lines;
mod plain;

use std::{
    io::{IsTerminal as _, stderr},
    str::FromStr,
};

use alula::otel::Telemetry;
use tracing_subscriber::{
    Layer, fmt, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

pub(crate) use self::{filter::LogFilter, lines::flush};
use self::{json::JsonLine, lines::Lines, plain::PlainFields};

/// The target of the line of each request.
pub(crate) const ACCESS: &str = "alula::access";
/// The target of the span of each request, whose id all lines of the request have.
pub(crate) const REQUEST: &str = "alula::request";

/// What a line looks like.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`"),
        }
    }
}

/// Sends log lines to stderr, and spans to the collector if there is one.
pub(crate) fn start(filter: &LogFilter, format: LogFormat, telemetry: Option<&Telemetry>) {
    // Fails only if logging was started before, which then goes on.
    let _ = match telemetry {
        None => tracing_subscriber::registry()
            .with(filter.to_env_filter())
            .with(lines(format))
            .try_init(),
        // Each has a filter of its own: the log does not decide what is traced.
        Some(telemetry) => tracing_subscriber::registry()
            .with(lines(format).with_filter(filter.to_env_filter()))
            .with(telemetry.layer())
            .try_init(),
    };
}

type BoxLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn lines<S>(format: LogFormat) -> BoxLayer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    // Whoever reads it may have gone; to say so there would be a panic.
    let lines = fmt::layer().with_writer(Lines).log_internal_errors(false);
    match format {
        LogFormat::Text if stderr().is_terminal() => lines.boxed(),
        LogFormat::Text => lines.with_ansi(false).fmt_fields(PlainFields).boxed(),
        LogFormat::Json => {
            let fields = fmt::format::JsonFields::new();
            lines.with_ansi(false).fmt_fields(fields).event_format(JsonLine).boxed()
        }
    }
}

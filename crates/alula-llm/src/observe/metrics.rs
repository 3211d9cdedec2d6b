//! Measurements, by OpenTelemetry's [conventions for generative AI][conventions].
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/

use std::{fmt, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter},
};

use super::{CallRecord, Server, span::well_known};
use crate::BreakerState;

/// The buckets of durations, in seconds, that the conventions advise.
const SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// The buckets of tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The buckets of attempts.
const ATTEMPTS: [f64; 7] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0];

/// The metrics of calls.
#[derive(Clone)]
pub(crate) struct Instruments {
    duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    per_chunk: Histogram<f64>,
    tokens: Histogram<u64>,
    /// The conventions have no names for these.
    attempts: Histogram<u64>,
    cost: Counter<u64>,
    breaker: Gauge<u64>,
}

impl Instruments {
    pub(crate) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, description: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            histogram.with_description(description).with_boundaries(SECONDS.to_vec()).build()
        };
        let tokens = meter.u64_histogram("gen_ai.client.token.usage").with_unit("{token}");
        let attempts = meter.u64_histogram("alula.llm.attempts").with_unit("{attempt}");
        let cost = meter.u64_counter("alula.llm.cost").with_unit("{micro_usd}");
        let breaker = meter.u64_gauge("alula.llm.breaker.state");
        Self {
            duration: seconds("gen_ai.client.operation.duration", "GenAI operation duration."),
            first_chunk: seconds(
                "gen_ai.client.operation.time_to_first_chunk",
                "Time to receive the first chunk of a stream.",
            ),
            per_chunk: seconds(
                "gen_ai.client.operation.time_per_output_chunk",
                "Time between two chunks of a stream.",
            ),
            tokens: tokens
                .with_description("Number of input and output tokens used.")
                .with_boundaries(TOKENS.to_vec())
                .build(),
            attempts: attempts
                .with_description("How often providers were asked for one call.")
                .with_boundaries(ATTEMPTS.to_vec())
                .build(),
            cost: cost.with_description("What calls cost, as far as their price is known.").build(),
            breaker: breaker
                .with_description("Whether calls get to a model: 0 closed, 1 half open, 2 open.")
                .build(),
        }
    }

    pub(super) fn piece(&self, gap: Duration, attributes: &[KeyValue]) {
        self.per_chunk.record(gap.as_secs_f64(), attributes);
    }

    pub(super) fn call(&self, record: &CallRecord, server: Option<&Server>) {
        let mut attributes = attributes(record, server);
        if let Some(first_token) = record.first_token {
            self.first_chunk.record(first_token.as_secs_f64(), &attributes);
        }
        if let Some(usage) = &record.usage {
            for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
                attributes.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(tokens, &attributes);
                attributes.pop();
            }
        }
        let error = record.error_type().map(|error| KeyValue::new("error.type", error));
        if let Some(cost) = record.cost {
            self.cost.add(cost.total().get(), &attributes);
        }
        attributes.extend(error);
        self.attempts.record(u64::from(record.attempts), &attributes);
        self.duration.record(record.total.as_secs_f64(), &attributes);
    }

    pub(super) fn breaker(&self, provider: &str, model: &str, state: BreakerState) {
        let attributes = [
            KeyValue::new("gen_ai.provider.name", well_known(provider).to_owned()),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
        ];
        let state = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.breaker.record(state, &attributes);
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instruments")
    }
}

/// What all measurements of a call have in common.
pub(super) fn attributes(record: &CallRecord, server: Option<&Server>) -> Vec<KeyValue> {
    let text = |key: &'static str, value: Option<&str>| {
        value.map(|value| KeyValue::new(key, value.to_owned()))
    };
    let all = [
        Some(KeyValue::new("gen_ai.operation.name", record.operation)),
        text("gen_ai.provider.name", record.provider.as_deref().map(well_known)),
        text("gen_ai.request.model", record.model.as_deref()),
        text("gen_ai.response.model", record.answered_by.as_deref()),
        text("server.address", server.map(|it| it.address.as_str())),
        server.map(|it| KeyValue::new("server.port", i64::from(it.port))),
    ];
    all.into_iter().flatten().collect()
}

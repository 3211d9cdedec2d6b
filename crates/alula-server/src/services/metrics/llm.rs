//! What is counted of calls to providers.

use std::{
    collections::HashSet,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use alula_llm::{BreakerState, CallRecord, Outcome};

use super::{
    instruments::{Counter, Histogram},
    registry::{Kind, Sample, registry},
    series::Series,
};
use crate::services::models::Models;

/// How many models of all providers are told apart.
const MODELS_MAX: usize = 256;
/// How many ways to end of each: operations times kinds of errors.
const OUTCOMES_MAX: usize = 64;
/// The model of calls for names that nobody has heard of.
const OTHER: &str = "other";

/// Seconds to a first token.
const FIRST_TOKEN: [f64; 12] = [0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0];
/// Seconds of a whole call.
const TOTAL: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 600.0];

/// The calls of this process, whichever models it has at the moment.
static CALLS: LazyLock<LlmMetrics> =
    LazyLock::new(|| LlmMetrics { targets: Series::new(MODELS_MAX) });

/// The calls to providers.
#[derive(Debug)]
pub(crate) struct LlmMetrics {
    targets: Series<Target>,
}

/// A model of a provider.
#[derive(Debug)]
struct Target {
    provider: String,
    model: String,
    calls: Series<Calls>,
    attempts: Counter,
    retries: Counter,
    input: Counter,
    output: Counter,
    cache_read: Counter,
    cache_write: Counter,
    reasoning: Counter,
    cost: Cost,
    unpriced: Counter,
    first_token: Histogram,
    total: Histogram,
}

/// Calls that ended alike.
#[derive(Debug)]
struct Calls {
    operation: &'static str,
    outcome: &'static str,
    count: Counter,
}

/// Money, of which a call may cost less than a micro-dollar.
#[derive(Debug)]
struct Cost {
    picos: AtomicU64,
    micros: Counter,
}

impl Cost {
    fn add(&self, picos: u64) {
        const PICOS: u64 = 1_000_000;
        let before = self.picos.fetch_add(picos, Relaxed);
        self.micros.add(before.wrapping_add(picos) / PICOS - before / PICOS);
    }
}

impl LlmMetrics {
    /// What counts each call. `routes` are the names of models that the configuration gives: their
    /// targets are told apart from the start. A model that a client names otherwise is told apart
    /// once it has answered, so that no client can make up series.
    pub(crate) fn listener(routes: HashSet<String>) -> impl Fn(&CallRecord) + Send + Sync {
        move |call| {
            let is_known = call.asked.is_empty() || routes.contains(&call.asked);
            CALLS.count(call, is_known);
        }
    }

    /// Shows the breakers of the models there are.
    pub(crate) fn watch(models: &Models) {
        let models = models.clone();
        registry().find(
            "alula_llm_breaker_state",
            "0: calls pass; 1: one call tries; 2: calls are refused.",
            Kind::Gauge,
            move || {
                let llm = models.current();
                llm.breakers().filter_map(|(target, state)| CALLS.breaker(&target, state)).collect()
            },
        );
    }

    fn breaker(&self, target: &str, state: BreakerState) -> Option<Sample> {
        let (provider, model) = target.split_once('/')?;
        let of = self.find(provider, model)?;
        let state = match state {
            BreakerState::Closed => 0.0,
            BreakerState::Open => 2.0,
            _ => 1.0,
        };
        Some(Sample::new(&[("provider", &of.provider), ("model", &of.model)], state))
    }

    fn find(&self, provider: &str, model: &str) -> Option<&Target> {
        self.targets.find(&(provider, model), |it| it.provider == provider && it.model == model)
    }

    fn of(&self, provider: &str, model: &str) -> Option<&Target> {
        let has = |it: &Target| it.provider == provider && it.model == model;
        self.targets.of(&(provider, model), has, || Target::new(provider, model))
    }

    fn count(&self, call: &CallRecord, is_known: bool) {
        let provider = call.provider.as_deref().unwrap_or("none");
        let model = call.model.as_deref().unwrap_or(OTHER);
        let is_known = is_known || call.outcome == Outcome::Answered;
        let own = match is_known {
            true => self.of(provider, model),
            false => self.find(provider, model),
        };
        if let Some(target) = own.or_else(|| self.of(provider, OTHER)) {
            target.count(call);
        }
    }
}

impl Target {
    fn new(provider: &str, model: &str) -> Self {
        let both = [("provider", provider), ("model", model)];
        let counter = |name, help| registry().counter(name, help, &both);
        let seconds = |name, help, bounds| registry().histogram(name, help, bounds, &both);
        let tokens = |kind| {
            let [provider, model] = both;
            let labels = [provider, model, ("kind", kind)];
            let help = "Tokens, as providers count them. Those of caches are among the input, and \
                        those of reasoning among the output.";
            registry().counter("alula_llm_tokens_total", help, &labels)
        };
        Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            calls: Series::new(OUTCOMES_MAX),
            attempts: counter(
                "alula_llm_attempts_total",
                "How often providers were asked. A call that ended at another target counts there.",
            ),
            retries: counter("alula_llm_retries_total", "Attempts after the first one of a call."),
            input: tokens("input"),
            output: tokens("output"),
            cache_read: tokens("cache_read"),
            cache_write: tokens("cache_write"),
            reasoning: tokens("reasoning"),
            cost: Cost {
                picos: AtomicU64::default(),
                micros: counter(
                    "alula_llm_cost_micro_usd_total",
                    "Cost in millionths of a dollar.",
                ),
            },
            unpriced: counter(
                "alula_llm_unpriced_calls_total",
                "Calls that have used tokens and whose price is not known.",
            ),
            first_token: seconds(
                "alula_llm_first_token_seconds",
                "From a call to the first content of its stream.",
                &FIRST_TOKEN,
            ),
            total: seconds("alula_llm_call_duration_seconds", "From a call to its end.", &TOTAL),
        }
    }

    fn count(&self, call: &CallRecord) {
        self.ended(call.operation, outcome(call)).add(1);
        self.attempts.add(call.attempts.into());
        self.retries.add(call.attempts.saturating_sub(1).into());
        self.total.observe(call.total);
        if let Some(first_token) = call.first_token {
            self.first_token.observe(first_token);
        }
        if let Some(cost) = call.cost {
            self.cost.add(cost.picos());
        }
        let Some(usage) = &call.usage else { return };
        if call.cost.is_none() {
            self.unpriced.add(1);
        }
        self.input.add(usage.input);
        self.output.add(usage.output);
        self.cache_read.add(usage.cache_read.unwrap_or_default());
        self.cache_write.add(usage.cache_write.unwrap_or_default());
        self.reasoning.add(usage.reasoning.unwrap_or_default());
    }

    fn ended(&self, operation: &'static str, outcome: &'static str) -> Counter {
        let labels = [
            ("provider", &*self.provider),
            ("model", &*self.model),
            ("operation", operation),
            ("outcome", outcome),
        ];
        let help = "Calls, with all their attempts, by how they ended.";
        let count = || registry().counter("alula_llm_calls_total", help, &labels);
        let has = |it: &Calls| it.operation == operation && it.outcome == outcome;
        let calls = self.calls.of(&(operation, outcome), has, || Calls {
            operation,
            outcome,
            count: count(),
        });
        calls.map_or_else(count, |calls| calls.count.clone())
    }
}

fn outcome(call: &CallRecord) -> &'static str {
    match &call.outcome {
        Outcome::Answered if call.is_cached => "cached",
        Outcome::Answered => "answered",
        Outcome::Failed(kind) => kind.name(),
        _ => "abandoned",
    }
}

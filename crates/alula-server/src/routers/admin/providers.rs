//! How it stands with providers, and with the file that names them.

use alula::{Route, prelude::*};
use alula_llm::{BreakerState, ProviderStatus, RateLimit, RouteStatus, RouteTarget, TargetStatus};

use crate::{
    services::{
        llm::Origin,
        models::Models,
        reload::{Failed, Reload, Status},
    },
    time::Timestamp,
};

/// The routes of this module.
pub(super) fn routes() -> Vec<Route> {
    routes![providers]
}

/// What calls can go to.
#[derive(Serialize, JsonSchema)]
struct Overview {
    file: ConfigFile,
    /// The model of requests that name none.
    default_model: Option<String>,
    /// In the order in which they are looked through for a model without a prefix.
    providers: Vec<Provider>,
    /// The models that have a name here, in alphabetical order.
    models: Vec<NamedModel>,
}

/// The file of providers, limits and names.
#[derive(Serialize, JsonSchema)]
struct ConfigFile {
    /// Where it is, or would be.
    path: String,
    /// Since when what is in force has been.
    loaded_at: Timestamp,
    /// What is wrong with the file now, so that what was before stays in force.
    failed: Option<Mistake>,
}

/// A reload that changed nothing.
#[derive(Serialize, JsonSchema)]
struct Mistake {
    /// When it was tried.
    at: Timestamp,
    /// The place, and what is wrong there.
    reason: String,
}

/// A provider.
#[derive(Serialize, JsonSchema)]
struct Provider {
    /// What selects it in `provider/model`.
    name: String,
    /// What it speaks, or whose it is.
    kind: Option<String>,
    /// Where it is known from: `file` or `environment`.
    from: Option<&'static str>,
    /// Where it is called, without a password.
    base_url: Option<String>,
    /// Whether it is called with a key.
    has_key: Option<bool>,
    #[serde(flatten)]
    limits: HeldTo,
    /// Its models that have a name here and those that were asked.
    targets: Vec<ProviderModel>,
}

/// What calls are held to; `null` for no limit.
#[derive(Serialize, JsonSchema)]
struct HeldTo {
    /// Requests in a minute.
    requests_per_minute: Option<u64>,
    /// Tokens in a minute.
    tokens_per_minute: Option<u64>,
    /// Calls on their way at once.
    concurrent: Option<usize>,
}

/// A model of a provider.
#[derive(Serialize, JsonSchema)]
struct ProviderModel {
    /// The provider's own name of it.
    model: String,
    breaker: Breaker,
    /// Calls of the last minute that it answered, if only to refuse them.
    worked: u64,
    /// Calls of the last minute that failed because of it.
    failed: u64,
}

/// Whether calls get through.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Breaker {
    /// They do.
    Closed,
    /// They do not, as too many have failed.
    Open,
    /// One does, to see what becomes of it.
    HalfOpen,
}

/// A name for models that stand in for each other.
#[derive(Serialize, JsonSchema)]
struct NamedModel {
    name: String,
    /// In the order of the file.
    targets: Vec<NamedTarget>,
    /// How long the whole answer of one may take while another one is left to ask; `null` where the
    /// name says nothing of it.
    answer_seconds: Option<f64>,
}

/// A model that a name leads to.
#[derive(Serialize, JsonSchema)]
struct NamedTarget {
    /// As `provider/model`.
    model: String,
    /// Its share of the calls; 0 for a fallback.
    weight: u32,
    #[serde(flatten)]
    limits: HeldTo,
    breaker: Breaker,
}

/// Look at the providers and models, and at the file that names them.
///
/// Breakers and counts are those of the process that answers: with several workers, one of them.
#[get("/providers")]
async fn providers(models: State<Models>, reload: State<Reload>) -> Json<Overview> {
    let llm = models.current();
    let Status { loaded_at, failed, origins } = reload.status();
    let failed = failed.map(|Failed { at, reason }| Mistake { at, reason });
    let path = reload.path().display().to_string();
    let provider = |status: ProviderStatus| {
        let origin = origins.get(&status.name);
        Provider::new(status, origin)
    };
    Json(Overview {
        file: ConfigFile { path, loaded_at, failed },
        default_model: llm.default_model().map(str::to_owned),
        providers: llm.statuses().into_iter().map(provider).collect(),
        models: llm.routes().into_iter().map(NamedModel::from).collect(),
    })
}

impl Provider {
    fn new(status: ProviderStatus, origin: Option<&Origin>) -> Self {
        Self {
            kind: origin.map(|origin| origin.kind.clone()),
            from: origin.map(|origin| if origin.is_of_file { "file" } else { "environment" }),
            has_key: origin.map(|origin| origin.has_key),
            limits: HeldTo::new(status.rate_limit, status.concurrency),
            targets: status.targets.into_iter().map(ProviderModel::from).collect(),
            name: status.name,
            base_url: status.base_url,
        }
    }
}

impl HeldTo {
    fn new(rate: Option<RateLimit>, concurrent: Option<usize>) -> Self {
        Self {
            requests_per_minute: rate.and_then(|rate| rate.requests),
            tokens_per_minute: rate.and_then(|rate| rate.tokens),
            concurrent,
        }
    }
}

impl From<TargetStatus> for ProviderModel {
    fn from(status: TargetStatus) -> Self {
        Self {
            model: status.model,
            breaker: status.breaker.into(),
            worked: status.recent.worked,
            failed: status.recent.failed,
        }
    }
}

impl From<RouteStatus> for NamedModel {
    fn from(status: RouteStatus) -> Self {
        let targets = status.targets.into_iter().map(NamedTarget::from).collect();
        Self {
            name: status.name,
            targets,
            answer_seconds: status.answer.map(|answer| answer.as_secs_f64()),
        }
    }
}

impl From<RouteTarget> for NamedTarget {
    fn from(target: RouteTarget) -> Self {
        Self {
            limits: HeldTo::new(target.rate_limit, target.concurrency),
            model: target.model,
            weight: target.weight,
            breaker: target.breaker.into(),
        }
    }
}

impl From<BreakerState> for Breaker {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Open => Self::Open,
            BreakerState::HalfOpen => Self::HalfOpen,
            _ => Self::Closed,
        }
    }
}

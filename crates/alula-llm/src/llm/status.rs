//! How it stands with providers and routes, for whoever operates them.

use std::time::Duration;

use super::{Llm, route::Target};
use crate::{BreakerState, RateLimit, RecentCalls, model::Protocol, providers::display_url};

/// How it stands with a provider; see [`Llm::statuses`].
///
/// ```
/// use alula_llm::{Demo, Llm, Route};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).route("fast", Route::to("demo/a")).build()?;
/// let names: Vec<String> = llm.statuses().into_iter().map(|provider| provider.name).collect();
/// assert_eq!(names, ["demo"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderStatus {
    /// The name that selects it in `provider/model`.
    pub name: String,
    /// What its own users write requests in.
    pub protocol: Protocol,
    /// Where it is called, without what may be a secret in the address.
    pub base_url: Option<String>,
    /// What its calls are held to.
    pub rate_limit: Option<RateLimit>,
    /// How many calls may be on their way at once.
    pub concurrency: Option<usize>,
    /// Its models that routes name and those that were asked, in alphabetical order.
    pub targets: Vec<TargetStatus>,
}

/// How it stands with a model of a provider.
///
/// ```
/// use alula_llm::{Demo, Llm, Route};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).route("fast", Route::to("demo/a")).build()?;
/// let target = &llm.statuses()[0].targets[0];
/// println!("{}: {:?}, {} failed", target.model, target.breaker, target.recent.failed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetStatus {
    /// The provider's own name of the model.
    pub model: String,
    /// Whether calls get through.
    pub breaker: BreakerState,
    /// How they went.
    pub recent: RecentCalls,
}

/// Where calls to a name go; see [`Llm::routes`].
///
/// ```
/// use alula_llm::{Demo, Llm, Route};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).route("fast", Route::to("demo/a")).build()?;
/// for route in llm.routes() {
///     println!("{} has {} targets", route.name, route.targets.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteStatus {
    /// The name.
    pub name: String,
    /// The models that stand in for each other, in the order in which they were added.
    pub targets: Vec<RouteTarget>,
    /// How long the whole answer of one of them may take while another one is left to ask, if the
    /// route says so.
    pub answer: Option<Duration>,
}

/// A model that a route leads to.
///
/// ```
/// use alula_llm::{Demo, Llm, Route};
///
/// # fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).route("fast", Route::to("demo/a")).build()?;
/// let target = &llm.routes()[0].targets[0];
/// assert_eq!((target.model.as_str(), target.weight), ("demo/a", 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteTarget {
    /// As `provider/model`.
    pub model: String,
    /// Its share of the calls; 0 for one that is asked after others have failed.
    pub weight: u32,
    /// What the calls that come by this route are held to.
    pub rate_limit: Option<RateLimit>,
    /// How many calls may be on their way at once by this route.
    pub concurrency: Option<usize>,
    /// Whether calls get through.
    pub breaker: BreakerState,
}

impl Llm {
    /// How it stands with each provider, in the order in which they were added.
    ///
    /// ```
    /// use alula_llm::{Anthropic, Llm, RateLimit, Route};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder()
    ///     .provider(Anthropic::new("sk-ant-…"))
    ///     .rate_limit("anthropic", RateLimit::default().requests(50))
    ///     .route("fast", Route::to("anthropic/claude-haiku-4-5"))
    ///     .build()?;
    /// let anthropic = &llm.statuses()[0];
    /// assert_eq!(anthropic.rate_limit.and_then(|limit| limit.requests), Some(50));
    /// assert_eq!(anthropic.targets[0].model, "claude-haiku-4-5");
    /// # Ok(())
    /// # }
    /// ```
    pub fn statuses(&self) -> Vec<ProviderStatus> {
        let status = |connected: &super::Connected| ProviderStatus {
            name: connected.provider.name().to_owned(),
            protocol: connected.provider.protocol(),
            base_url: connected.provider.base_url().map(display_url),
            rate_limit: connected.gate.rate(),
            concurrency: connected.gate.at_once(),
            targets: connected.healths.statuses(),
        };
        self.inner.providers.iter().map(status).collect()
    }

    /// Where calls to each name of a route go, in alphabetical order.
    ///
    /// ```
    /// use alula_llm::{Demo, Llm, Route};
    ///
    /// # fn main() -> alula_llm::Result<()> {
    /// let llm = Llm::builder().provider(Demo::new()).route("fast", Route::to("demo/a")).build()?;
    /// assert_eq!(llm.routes()[0].targets[0].model, "demo/a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn routes(&self) -> Vec<RouteStatus> {
        let status = |(name, targets): (&String, &Vec<Target>)| RouteStatus {
            name: name.clone(),
            targets: targets.iter().filter_map(|target| self.route_target(target)).collect(),
            answer: targets.first().and_then(|target| target.answer),
        };
        let mut routes: Vec<RouteStatus> = self.inner.routes.iter().map(status).collect();
        routes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        routes
    }

    fn route_target(&self, target: &Target) -> Option<RouteTarget> {
        let provider = self.inner.providers.get(target.provider)?.provider.name();
        Some(RouteTarget {
            model: format!("{provider}/{}", target.model),
            weight: target.weight,
            rate_limit: target.gate.as_ref().and_then(|gate| gate.rate()),
            concurrency: target.gate.as_ref().and_then(|gate| gate.at_once()),
            breaker: target.health.state(),
        })
    }
}

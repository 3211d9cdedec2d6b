use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use super::{Connected, Inner, not_found};
use crate::{
    RateLimit, Result,
    model::Protocol,
    resilience::{Gate, Health},
};

/// The targets behind a name: providers' models that stand in for each other.
///
/// ```
/// use alula_llm::Route;
///
/// // Three of four calls go to Azure, the fourth to OpenAI; if one of them fails the other is
/// // asked, and then Anthropic.
/// let route = Route::default()
///     .share("azure/gpt-4o", 3)
///     .share("openai/gpt-4o", 1)
///     .fallback("anthropic/claude-sonnet-4-5");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The models, with their weights; those of fallbacks are 0.
    pub(super) targets: Vec<(String, u32)>,
    pub(super) rates: HashMap<String, RateLimit>,
    pub(super) at_once: HashMap<String, usize>,
    pub(super) answer: Option<Duration>,
}

impl Route {
    /// A route that asks this model first.
    pub fn to(model: impl Into<String>) -> Self {
        Self::default().share(model, 1)
    }

    /// Lets a model have a share of the calls, by its weight.
    #[must_use]
    pub fn share(mut self, model: impl Into<String>, weight: u32) -> Self {
        self.targets.push((model.into(), weight));
        self
    }

    /// Adds a model that is asked after those before it have failed.
    #[must_use]
    pub fn fallback(self, model: impl Into<String>) -> Self {
        self.share(model, 0)
    }

    /// Holds the calls that go to a model by this route to a rate, beside that of its provider. A
    /// call that finds no room goes to the next target.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alula_llm::{RateLimit, Route};
    ///
    /// // What a deployment is good for; the rest goes elsewhere at once.
    /// let limit = RateLimit::default().tokens(90_000).wait_max(Duration::ZERO);
    /// let route = Route::to("azure/gpt-4o").rate_limit("azure/gpt-4o", limit).fallback("gpt-4o");
    /// ```
    #[must_use]
    pub fn rate_limit(mut self, model: impl Into<String>, limit: RateLimit) -> Self {
        self.rates.insert(model.into(), limit);
        self
    }

    /// Sets how many calls may be on their way at once to a model by this route, streams until
    /// their end. Others wait, as long as [`RateLimit::wait_max`] of its rate says.
    ///
    /// ```
    /// use alula_llm::Route;
    ///
    /// let route = Route::to("gpu/llama").concurrency("gpu/llama", 32).fallback("openai/gpt-4o");
    /// ```
    #[must_use]
    pub fn concurrency(mut self, model: impl Into<String>, calls: usize) -> Self {
        self.at_once.insert(model.into(), calls);
        self
    }

    /// Sets how long the whole answer of one of its models may take before the next one is asked,
    /// where it does not stream; [`Deadlines::answer`](crate::Deadlines#structfield.answer) if it
    /// is not set.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alula_llm::Route;
    ///
    /// // They think for minutes.
    /// let route = Route::to("openai/o3").fallback("gemini/gemini-2.5-pro");
    /// let route = route.answer(Duration::from_secs(280));
    /// ```
    #[must_use]
    pub fn answer(mut self, answer: Duration) -> Self {
        self.answer = Some(answer);
        self
    }
}

/// A model of a provider that calls may go to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Which provider.
    pub(super) provider: usize,
    pub(super) model: Arc<str>,
    pub(super) weight: u32,
    pub(super) health: Arc<Health>,
    /// Of what goes there by a route, if that is limited.
    pub(super) gate: Option<Arc<Gate>>,
    /// How long its whole answer may take, if its route says so.
    pub(super) answer: Option<Duration>,
}

impl Target {
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        (self.provider, &self.model) == (other.provider, &other.model)
    }
}

impl Inner {
    /// Where calls to a model go, in the order to ask.
    pub(super) fn targets(&self, name: &str) -> Result<Vec<Target>> {
        match self.all_targets(name)? {
            Cow::Borrowed(targets) => Ok(in_turn(targets, fastrand::f64())),
            Cow::Owned(targets) => Ok(targets),
        }
    }

    /// Where calls to a model may go.
    pub(super) fn all_targets(&self, name: &str) -> Result<Cow<'_, [Target]>> {
        let default = self.default_model.as_deref().unwrap_or_default();
        let name = if name.is_empty() { default } else { name };
        match self.routes.get(name) {
            Some(targets) => Ok(Cow::Borrowed(targets)),
            None => Ok(Cow::Owned(vec![self.target(name)?])),
        }
    }

    /// The format in which users of a model write requests.
    pub(super) fn protocol(&self, name: &str) -> Result<Protocol> {
        let targets = self.targets(name)?;
        let first = targets.first().and_then(|target| self.providers.get(target.provider));
        let connected = first.ok_or_else(|| not_found(format!("{name:?} leads nowhere")))?;
        Ok(connected.provider.protocol())
    }

    /// The provider of a model that no route names.
    pub(super) fn target(&self, name: &str) -> Result<Target> {
        let default = self.default_model.as_deref().unwrap_or_default();
        let found = self
            .by_prefix(name)
            .or_else(|| Some((self.by_own_name(name)?, name)))
            .or_else(|| Some((self.by_prefix(default)?.0, name)))
            .or_else(|| Some((self.by_own_name(default)?, name)))
            .or_else(|| Some((self.only_provider()?, name)));
        match found {
            Some((_, "")) => {
                Err(not_found("no model is named, and there is no default".to_owned()))
            }
            Some(((provider, connected), model)) => Ok(Target {
                provider,
                model: model.into(),
                weight: 1,
                health: connected.healths.of(model),
                gate: None,
                answer: None,
            }),
            None => {
                let names: Vec<&str> = self.providers.iter().map(|it| it.provider.name()).collect();
                Err(not_found(format!(
                    "no provider serves the model {name:?}; write provider/model, where the \
                     provider is one of: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The provider of a route's model, which must be named or know the model as its own: who
    /// writes a name wrong must not have another provider asked.
    pub(super) fn target_of_route(&self, model: &str) -> Result<Target> {
        let is_meant = self.by_prefix(model).is_some() || self.by_own_name(model).is_some();
        if is_meant || self.only_provider().is_some() && !model.contains('/') {
            return self.target(model);
        }
        let names: Vec<&str> = self.providers.iter().map(|it| it.provider.name()).collect();
        Err(not_found(format!(
            "{model:?} names none of the providers, which are: {}; write provider/model",
            names.join(", ")
        )))
    }

    fn by_prefix<'a>(&self, name: &'a str) -> Option<((usize, &Connected), &'a str)> {
        let (prefix, model) = name.split_once('/')?;
        let mut providers = self.providers.iter().enumerate();
        Some((providers.find(|(_, it)| it.provider.name() == prefix)?, model))
    }

    fn by_own_name(&self, model: &str) -> Option<(usize, &Connected)> {
        self.providers.iter().enumerate().find(|(_, it)| it.provider.serves(model))
    }

    fn only_provider(&self) -> Option<(usize, &Connected)> {
        match &*self.providers {
            [connected] => Some((0, connected)),
            _ => None,
        }
    }
}

/// The targets with the one first that `random`, which is in `0.0..1.0`, chooses by weight.
fn in_turn(targets: &[Target], random: f64) -> Vec<Target> {
    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of the total, which weights are far too small to make inexact"
    )]
    let mut left = (random * total as f64) as u64;
    let chosen = targets.iter().position(|target| {
        let weight = u64::from(target.weight);
        let is_chosen = left < weight;
        left = left.saturating_sub(weight);
        is_chosen
    });
    let mut targets = targets.to_vec();
    if let Some(chosen) = chosen {
        targets.get_mut(..=chosen).into_iter().for_each(|first| first.rotate_right(1));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anthropic, Demo, ErrorKind, Llm, OpenAi, RetryPolicy};

    fn llm() -> Llm {
        let builder = Llm::builder()
            .provider(OpenAi::new("k"))
            .provider(Anthropic::new("k"))
            .provider(OpenAi::compatible("router", "http://localhost:1/v1"));
        builder.default_model("openai/gpt-4o").build().unwrap()
    }

    #[track_caller]
    fn check(name: &str, provider: &str, model: &str) {
        let llm = llm();
        let targets = llm.inner.targets(name).unwrap();
        let found: Vec<_> = targets
            .iter()
            .map(|it| (llm.inner.providers[it.provider].provider.name(), &*it.model))
            .collect();
        assert_eq!(found, [(provider, model)], "{name}");
    }

    #[test]
    fn names_find_their_provider() {
        check("", "openai", "gpt-4o");
        check("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5");
        check("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5");
        check("router/meta-llama/llama-3", "router", "meta-llama/llama-3");
        check("meta-llama/llama-3", "openai", "meta-llama/llama-3");
        check("o3-mini", "openai", "o3-mini");
    }

    #[test]
    fn the_only_provider_gets_every_model() {
        let llm = Llm::builder().provider(OpenAi::compatible("vllm", "http://x")).build().unwrap();
        assert_eq!(&*llm.inner.target("some/model").unwrap().model, "some/model");
        assert_eq!(llm.inner.targets("").unwrap_err().kind(), &ErrorKind::NotFound);
    }

    #[test]
    fn an_unknown_model_is_told_the_providers() {
        let builder = Llm::builder().provider(Demo::new()).provider(Anthropic::new("k"));
        let error = builder.build().unwrap().inner.target("gpt-4o").unwrap_err();
        assert!(error.message().ends_with("one of: demo, anthropic"), "{error}");
    }

    #[test]
    fn shares_are_kept_and_fallbacks_come_last() {
        let health =
            Arc::new(Health::new(crate::BreakerPolicy::default(), RetryPolicy::default(), None));
        let target = |model: &str, weight| Target {
            provider: 0,
            model: model.into(),
            weight,
            health: health.clone(),
            gate: None,
            answer: None,
        };
        let targets = [target("a", 3), target("b", 1), target("c", 0)];
        let order = |random| -> String {
            in_turn(&targets, random).iter().map(|target| &*target.model).collect()
        };
        assert_eq!([0.0, 0.74, 0.75, 0.999].map(order), ["abc", "abc", "bac", "bac"]);
        let only_fallbacks = [target("a", 0), target("b", 0)];
        assert_eq!(&*in_turn(&only_fallbacks, 0.5)[0].model, "a");
    }
}

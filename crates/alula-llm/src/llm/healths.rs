//! What is known of a provider's models by the calls before.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::TargetStatus;
use crate::{
    BreakerPolicy, BreakerState, RetryPolicy,
    resilience::{Health, Sharing},
};

/// How many models of a provider are told apart. Callers name them, and must not fill the memory.
const MODELS_MAX: usize = 1_000;
/// The longest name of a model that is told apart, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The health of each model of a provider, whichever names lead to it.
#[derive(Debug)]
pub(super) struct Healths {
    provider: String,
    breaker: BreakerPolicy,
    retry: RetryPolicy,
    sharing: Option<Sharing>,
    models: RwLock<HashMap<String, Arc<Health>>>,
    /// Of the models beyond [`MODELS_MAX`] and [`NAME_BYTES_MAX`] together.
    others: Arc<Health>,
}

impl Healths {
    pub(super) fn new(
        provider: &str,
        breaker: BreakerPolicy,
        retry: RetryPolicy,
        sharing: Option<Sharing>,
    ) -> Self {
        let of_others = sharing.as_ref().map(|it| it.of(&format!("breaker:{provider}")));
        Self {
            provider: provider.to_owned(),
            breaker,
            retry,
            sharing,
            models: RwLock::default(),
            others: Arc::new(Health::new(breaker, retry, of_others)),
        }
    }

    /// Whether it judges by these policies.
    pub(super) fn goes_by(&self, breaker: BreakerPolicy, retry: RetryPolicy) -> bool {
        self.breaker == breaker && self.retry == retry
    }

    pub(super) fn of(&self, model: &str) -> Arc<Health> {
        if model.len() > NAME_BYTES_MAX {
            return self.others.clone();
        }
        let known = self.models.read().unwrap_or_else(PoisonError::into_inner).get(model).cloned();
        known.unwrap_or_else(|| self.add(model))
    }

    fn add(&self, model: &str) -> Arc<Health> {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MODELS_MAX {
            let is_known = |health: &Arc<Health>| health.state() != BreakerState::Closed;
            models.retain(|_, health| Arc::strong_count(health) > 1 || is_known(health));
        }
        if models.len() >= MODELS_MAX && !models.contains_key(model) {
            return self.others.clone();
        }
        let name = || format!("breaker:{}/{model}", self.provider);
        let shared = || self.sharing.as_ref().map(|it| it.of(&name()));
        let new = || Arc::new(Health::new(self.breaker, self.retry, shared()));
        models.entry(model.to_owned()).or_insert_with(new).clone()
    }

    /// The models that were asked, in alphabetical order.
    pub(super) fn statuses(&self) -> Vec<TargetStatus> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        let status = |(model, health): (&String, &Arc<Health>)| TargetStatus {
            model: model.clone(),
            breaker: health.state(),
            recent: health.recent(),
        };
        let mut statuses: Vec<TargetStatus> = models.iter().map(status).collect();
        statuses.sort_unstable_by(|one, other| one.model.cmp(&other.model));
        statuses
    }

    /// The states of their breakers, each with `provider/model`.
    pub(super) fn states(&self) -> impl Iterator<Item = (String, BreakerState)> + use<'_> {
        let state = |it: TargetStatus| (format!("{}/{}", self.provider, it.model), it.breaker);
        self.statuses().into_iter().map(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_up_to_a_number() {
        let healths = Healths::new("a", BreakerPolicy::default(), RetryPolicy::default(), None);
        assert!(Arc::ptr_eq(&healths.of("m"), &healths.of("m")));
        assert!(!Arc::ptr_eq(&healths.of("m"), &healths.of("n")));
        let busy: Vec<_> = (0..MODELS_MAX).map(|number| healths.of(&number.to_string())).collect();
        assert!(Arc::ptr_eq(&healths.of("late"), &healths.of("later")));
        assert_eq!(healths.statuses().len(), MODELS_MAX);
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(Arc::ptr_eq(&healths.of(&long), &healths.of("later")));
        // Those of which there is nothing to remember make room.
        drop(busy);
        assert!(!Arc::ptr_eq(&healths.of("late"), &healths.of("later")));
    }
}

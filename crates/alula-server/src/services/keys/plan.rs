//! How much a key may ask for.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
};

/// Limits that keys have in common; nothing for no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) name: Arc<str>,
    pub(crate) requests_per_minute: Option<NonZeroU64>,
    /// Those of questions and answers together.
    pub(crate) tokens_per_minute: Option<NonZeroU64>,
    /// Answers that are being streamed at the same time.
    pub(crate) concurrent_streams: Option<NonZeroUsize>,
}

/// The plans there are, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plans(BTreeMap<Arc<str>, Arc<Plan>>);

impl Default for Plans {
    /// Those that are there without being set up.
    fn default() -> Self {
        let mut plans = Self(BTreeMap::new());
        for (name, requests, tokens, streams) in
            [("free", 20, 40_000, 2), ("pro", 600, 1_000_000, 50), ("unlimited", 0, 0, 0)]
        {
            plans.set(Plan {
                name: name.into(),
                requests_per_minute: NonZeroU64::new(requests),
                tokens_per_minute: NonZeroU64::new(tokens),
                concurrent_streams: NonZeroUsize::new(streams),
            });
        }
        plans
    }
}

impl Plan {
    /// A plan that limits nothing.
    pub(crate) fn unlimited(name: &str) -> Self {
        Self {
            name: name.into(),
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrent_streams: None,
        }
    }
}

impl Plans {
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a plan, or replaces that of its name.
    pub(crate) fn set(&mut self, plan: Plan) {
        self.0.insert(plan.name.clone(), Arc::new(plan));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Plan>> {
        self.0.get(name)
    }

    /// Their names, in the order of the alphabet.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_ones_own_takes_the_place_of_a_usual_one() {
        let mut plans = Plans::default();
        assert_eq!(plans.names().collect::<Vec<_>>(), ["free", "pro", "unlimited"]);
        let unlimited = plans.get("unlimited").unwrap();
        assert_eq!(unlimited.requests_per_minute, None);
        let free = Plan { name: "free".into(), ..Plan::clone(unlimited) };
        plans.set(free.clone());
        assert_eq!(**plans.get("free").unwrap(), free);
        assert_eq!(plans.names().count(), 3);
    }
}

//! What all operations of an application share while they are planned.

use std::mem;

use super::{components::Components, security::Schemes};
use crate::{
    app::{Overrides, States},
    dependency::Slots,
};

/// What the planning of all operations shares.
pub(crate) struct Plan {
    pub(crate) components: Components,
    pub(crate) security_schemes: Schemes,
    pub(crate) states: States,
    /// Whether a state that is not there is no mistake, as it may come later.
    pub(crate) may_lack_states: bool,
    pub(crate) overrides: Overrides,
    pub(crate) slots: Slots,
    /// What is wrong with the application; it does not start with any.
    pub(crate) mistakes: Vec<String>,
}

impl Plan {
    pub(crate) fn new(states: States, overrides: Overrides, may_lack_states: bool) -> Self {
        Self {
            components: Components::default(),
            security_schemes: Schemes::default(),
            states,
            may_lack_states,
            overrides,
            slots: Slots::default(),
            mistakes: Vec::new(),
        }
    }

    /// Notes mistakes that may be told several times: a router says them for each of its routes.
    pub(crate) fn add_mistakes(&mut self, mistakes: &[String]) {
        for mistake in mistakes {
            if !self.mistakes.contains(mistake) {
                self.mistakes.push(mistake.clone());
            }
        }
    }

    /// Plans something that the document does not show, nor what it is made of.
    pub(crate) fn undocumented<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let components = mem::take(&mut self.components);
        let security_schemes = mem::take(&mut self.security_schemes);
        let result = work(self);
        self.components = components;
        self.security_schemes = security_schemes;
        result
    }
}

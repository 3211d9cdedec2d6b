//! From a set-up to providers that can be called.

use std::{collections::HashMap, sync::Arc};

use super::{Connected, Inner, Llm, LlmBuilder, Pool, Route, healths::Healths, route::Target};
use crate::{
    Error, ErrorKind, Http, HttpLimits, Provider, RateLimit, Result,
    cache::Cache,
    observe::Server,
    resilience::{Gate, Sharing},
};

impl LlmBuilder {
    /// Checks the set-up and shares one connection pool among the providers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no provider, two have the same name, one of them could
    /// never make a call, a limit is for a provider that is not there, a route has no targets, or
    /// the proxy's URL is none; [`ErrorKind::NotFound`] when a route or the default model leads to
    /// no provider.
    pub fn build(mut self) -> Result<Llm> {
        let pool = self.prepare()?;
        let Self { breaker, retry, deadlines, .. } = self;
        let site = Site {
            before: self.before.as_ref().map(|llm| &*llm.inner),
            shares_as_before: self.sharing.is_none(),
            sharing: self.sharing.or_else(|| self.before.as_ref()?.inner.sharing.clone()),
        };
        let connect = |provider: Box<dyn Provider>| {
            let name = provider.name();
            let same = site.before.and_then(|it| it.same(&*provider));
            let limits = (self.rates.remove(name), self.at_once.remove(name));
            let gate = site.gate(limits, &format!("limit:{name}"), same.map(|it| &it.gate));
            let healths = same.map(|it| &it.healths).filter(|_| site.shares_as_before);
            let healths = match healths.filter(|it| it.goes_by(breaker, retry)) {
                Some(healths) => healths.clone(),
                None => Arc::new(Healths::new(name, breaker, retry, site.sharing.clone())),
            };
            let server = provider.base_url().and_then(Server::of);
            Connected { healths, gate, server, provider }
        };
        let providers = self.providers.into_iter().map(connect).collect();
        if let Some(name) = self.rates.keys().chain(self.at_once.keys()).next() {
            return Err(config(format!("there is a limit for {name:?}, which is no provider")));
        }
        let mut inner = Inner {
            pool,
            providers,
            routes: HashMap::new(),
            default_model: self.default_model.filter(|model| !model.is_empty()),
            deadlines,
            retry,
            sharing: site.sharing.clone(),
            cache: self.cache.map(|policy| Arc::new(Cache::new(policy))),
            observer: Arc::new(self.observer),
        };
        for (name, route) in self.routes {
            let targets = site.targets(&inner, &name, route)?;
            inner.routes.insert(name, targets);
        }
        if let Some(model) = &inner.default_model {
            inner.targets(model)?;
        }
        inner.gates().for_each(Gate::put_in_force);
        Ok(Llm { inner: Arc::new(inner), scope: None, listener: None, along: None })
    }

    /// Checks the providers, and gives them what they share.
    fn prepare(&mut self) -> Result<Pool> {
        let pool = self.pool()?;
        let mut names: Vec<String> = Vec::with_capacity(self.providers.len());
        for provider in &mut self.providers {
            let name = provider.name().to_owned();
            if name.is_empty() || name.contains('/') || names.contains(&name) {
                return Err(config(format!(
                    "a provider cannot be named {name:?}: names are unique, not empty and without \
                     a slash"
                )));
            }
            names.push(name);
            provider.prepare(&pool.http)?;
        }
        match names.is_empty() {
            true => Err(config("no provider was added")),
            false => Ok(pool),
        }
    }

    /// The connections of before, if they are made in the same way, or new ones.
    fn pool(&self) -> Result<Pool> {
        let limits = HttpLimits { connect_timeout: self.deadlines.connect, ..self.limits };
        let before = self.before.as_ref().map(|llm| &llm.inner.pool);
        match before.filter(|pool| pool.limits == limits && pool.proxies == self.proxies) {
            Some(pool) => Ok(pool.clone()),
            None => Ok(Pool {
                limits,
                proxies: self.proxies.clone(),
                http: Http::with_proxies(limits, &self.proxies)?,
            }),
        }
    }
}

/// What limits of providers and routes are put up by.
struct Site<'a> {
    before: Option<&'a Inner>,
    shares_as_before: bool,
    sharing: Option<Sharing>,
}

impl Site<'_> {
    /// A gate that is known to other processes by a name.
    fn gate(
        &self,
        (rate, at_once): (Option<RateLimit>, Option<usize>),
        name: &str,
        before: Option<&Gate>,
    ) -> Gate {
        // What is shared in another place counts anew.
        let before = before.filter(|_| self.shares_as_before);
        Gate::new(rate, at_once, self.sharing.as_ref().map(|it| it.of(name)), before)
    }

    /// Finds the providers of a route's models.
    fn targets(&self, inner: &Inner, name: &str, mut route: Route) -> Result<Vec<Target>> {
        if name.is_empty() || route.targets.is_empty() {
            return Err(config(format!("the route {name:?} needs a name and a target")));
        }
        let mut targets: Vec<Target> = Vec::with_capacity(route.targets.len());
        for (model, weight) in route.targets {
            let found = inner.target_of_route(&model).map_err(|error| {
                let message = format!("the route {name:?}: {}", error.message());
                Error::new(error.kind().clone(), message)
            })?;
            let limits = (route.rates.remove(&model), route.at_once.remove(&model));
            let gate = match targets.iter().find(|it| it.is_same_as(&found)) {
                Some(_) if limits != (None, None) => {
                    return Err(config(format!("the route {name:?} limits {model:?} twice")));
                }
                Some(target) => target.gate.clone(),
                None if limits == (None, None) => None,
                None => Some(Arc::new(self.gate_of(inner, name, &found, limits))),
            };
            targets.push(Target { weight, gate, answer: route.answer, ..found });
        }
        match route.rates.keys().chain(route.at_once.keys()).next() {
            Some(model) => Err(config(format!(
                "the route {name:?} has a limit for {model:?}, which is none of its targets"
            ))),
            None => Ok(targets),
        }
    }

    fn gate_of(
        &self,
        inner: &Inner,
        route: &str,
        target: &Target,
        limits: (Option<RateLimit>, Option<usize>),
    ) -> Gate {
        let provider = inner.providers.get(target.provider).map(|it| &*it.provider);
        let before = provider.zip(self.before).and_then(|(provider, before)| {
            let provider = before.providers.iter().position(|it| is_same(&*it.provider, provider));
            let was = |it: &&Target| Some(it.provider) == provider && it.model == target.model;
            before.routes.get(route)?.iter().find(was)?.gate.as_deref()
        });
        let provider = provider.map_or("", Provider::name);
        self.gate(limits, &format!("limit:{route}:{provider}/{}", target.model), before)
    }
}

impl Inner {
    /// The provider that was at the same place, if there was one.
    fn same(&self, provider: &dyn Provider) -> Option<&Connected> {
        self.providers.iter().find(|it| is_same(&*it.provider, provider))
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        let targets = self.routes.values().flatten().filter_map(|target| target.gate.as_deref());
        self.providers.iter().map(|connected| &connected.gate).chain(targets)
    }
}

/// Whether calls to both go to the same place.
fn is_same(one: &dyn Provider, other: &dyn Provider) -> bool {
    one.name() == other.name()
        && one.base_url() == other.base_url()
        && one.protocol() == other.protocol()
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

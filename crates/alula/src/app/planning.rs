//! From a route to its handler and its operation in the document.

use axum::routing::{MethodFilter, MethodRouter};
use serde_json::{Map, Value, json};

use super::operations::{describe, path_names};
use crate::{
    error::ErrorPolicy,
    input::BodyLimits,
    openapi::{DEFAULT, Document, Operation, OperationIds, Plan, insert},
    routing::{Callback, Route, Settings},
    serve::Shutdown,
};

/// What the planning of a route needs beside the route.
#[derive(Clone, Copy)]
pub(super) struct Planning<'a> {
    pub(super) filter: MethodFilter,
    pub(super) body: BodyLimits,
    pub(super) shutdown: &'a Shutdown,
}

impl Planning<'_> {
    /// Plans one route: its handler, and its operation in the document.
    pub(super) fn route(
        self,
        mut route: Route,
        title: &str,
        ids: &mut OperationIds,
        plan: &mut Plan,
    ) -> (MethodRouter, Map<String, Value>) {
        let is_hidden = route.meta.hidden;
        // What the document does not show needs no name.
        let id = if is_hidden { Ok(String::new()) } else { ids.claim(&route, title) };
        let id = id.unwrap_or_else(|mistake| {
            plan.mistakes.push(mistake);
            String::new()
        });
        let callbacks = std::mem::take(&mut route.callbacks);
        let meta = std::mem::take(&mut route.meta);
        let (handler, types) = self.types(route, title, plan);
        let (mut operation, mistakes) = describe(meta, id, types);
        plan.mistakes.extend(mistakes.iter().map(|mistake| format!("{title}: {mistake}")));
        if !callbacks.is_empty() && !is_hidden {
            let callbacks = self.callbacks(callbacks, title, ids, plan);
            operation.insert("callbacks".to_owned(), callbacks.into());
        }
        (handler, operation)
    }

    /// Plans the handler, and what its types say about the operation.
    fn types(
        self,
        route: Route,
        title: &str,
        plan: &mut Plan,
    ) -> (MethodRouter, Map<String, Value>) {
        let path_names = path_names(&route.path);
        let lax = route.lax.unwrap_or(false);
        let mut operation =
            Operation::new(plan, title, &path_names, lax).with_form_limits(route.form_limits);
        #[cfg(feature = "ws")]
        {
            let is_socket = route.endpoint.is_socket();
            if is_socket {
                operation.offer_socket();
            }
            route.socket.check(&mut operation, is_socket);
        }
        let errors = ErrorPolicy::new(route.errors, self.shutdown);
        operation.set_error_format(errors.format.clone());
        let status = operation.final_status(route.status);
        operation.demand(&route.scopes);
        let guards = route.guards.iter().map(|guard| guard(&mut operation)).collect();
        let body_bytes_max = route.body_bytes_max.or(self.body.body_bytes_max);
        let limits = BodyLimits { body_bytes_max, ..self.body };
        let timeout = route.timeout.flatten();
        if timeout.is_some_and(|limit| limit.is_zero()) {
            operation.mistake("a timeout of zero leaves no time to answer; `None` is no timeout");
        }
        let to_completion = route.to_completion;
        let shutdown = self.shutdown.clone();
        let settings = Settings {
            status,
            limits,
            timeout,
            to_completion,
            guards,
            errors,
            shutdown,
            #[cfg(feature = "ws")]
            socket: route.socket,
        };
        let handler = route.endpoint.plan(&mut operation, settings, self.filter);
        route.describes.iter().for_each(|describe| describe(&mut operation));
        (handler, operation.finish())
    }

    /// Plans a request that the server sends.
    pub(super) fn webhook(
        self,
        name: String,
        route: Route,
        ids: &mut OperationIds,
        document: &mut Document,
        plan: &mut Plan,
    ) {
        let title = format!("webhook `{name}`");
        let method = route.method.clone();
        if !route.path.is_empty() {
            let path = &route.path;
            plan.mistakes.push(format!("{title}: it has the path `{path}`, where `\"\"` is meant"));
        }
        let operation = self.description(route, &title, ids, plan);
        if !document.add_webhook(name, method.as_str(), operation) {
            plan.mistakes.push(format!("{title}: it is described twice"));
        }
    }

    /// The operation of a route that only describes a request which the server sends.
    fn description(
        self,
        route: Route,
        title: &str,
        ids: &mut OperationIds,
        plan: &mut Plan,
    ) -> Map<String, Value> {
        let (_, mut operation) = self.route(route, title, ids, plan);
        // Who answers it is not this framework, and has errors of another form.
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.remove(DEFAULT);
        }
        operation
    }

    fn callbacks(
        self,
        callbacks: Vec<Callback>,
        title: &str,
        ids: &mut OperationIds,
        plan: &mut Plan,
    ) -> Map<String, Value> {
        let mut described = Map::new();
        for Callback { name, expression, route } in callbacks {
            let title = format!("{title}: callback `{name}`");
            let (path, method) = (format!("{expression}{}", route.path), route.method.clone());
            let operation = self.description(route, &title, ids, plan);
            let items = described.entry(name).or_insert_with(|| json!({}));
            let is_new = |items| insert(items, path, method.as_str(), operation);
            if !items.as_object_mut().is_some_and(is_new) {
                plan.mistakes.push(format!("{title}: it is described twice"));
            }
        }
        described
    }
}

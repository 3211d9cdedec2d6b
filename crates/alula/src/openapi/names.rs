//! What operations are called.

use std::collections::HashMap;

use http::Method;

use crate::routing::Route;

/// What an operation id can be made from; see [`App::operation_ids`](crate::App::operation_ids).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct OperationName<'a> {
    /// The name of the route, by default of its function.
    pub name: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path with the prefixes of its routers; empty for webhooks.
    pub path: &'a str,
    /// The tags, outermost first.
    pub tags: &'a [String],
}

/// Makes operation ids.
pub(crate) type NameOperation = Box<dyn Fn(&OperationName<'_>) -> String + Send + Sync>;

/// Operation ids: for each endpoint its name; where two share it, with method and path, whatever
/// their order.
pub(crate) struct OperationIds {
    uses: HashMap<String, usize>,
    custom: Option<NameOperation>,
    /// Who has an id, for messages.
    known: HashMap<String, String>,
}

impl OperationIds {
    /// Looks at all routes that the document shows or may show.
    pub(crate) fn new<'r>(
        routes: impl IntoIterator<Item = &'r Route>,
        custom: Option<NameOperation>,
    ) -> Self {
        let mut uses = HashMap::new();
        let mut pending: Vec<&Route> = routes.into_iter().collect();
        while let Some(route) = pending.pop() {
            pending.extend(route.callbacks.iter().map(|callback| &callback.route));
            if route.meta.operation_id.is_none() {
                *uses.entry(route.meta.name.clone()).or_default() += 1;
            }
        }
        Self { uses, custom, known: HashMap::new() }
    }

    /// The id of a route.
    pub(crate) fn id(&self, route: &Route) -> String {
        let name = &route.meta.name;
        if let Some(own) = &route.meta.operation_id {
            return own.clone();
        }
        if let Some(custom) = &self.custom {
            let (method, path, tags) = (&route.method, &route.path, &route.meta.tags);
            return custom(&OperationName { name, method, path, tags });
        }
        if self.uses.get(name) == Some(&1) {
            return name.clone();
        }
        let path = route.path.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        format!("{name}{path}_{}", route.method.as_str().to_ascii_lowercase())
    }

    /// The id of a route that the document shows.
    ///
    /// # Errors
    ///
    /// If another one has it, although clients name their methods by it.
    pub(crate) fn claim(&mut self, route: &Route, title: &str) -> Result<String, String> {
        let id = self.id(route);
        match self.known.insert(id.clone(), title.to_owned()) {
            Some(other) => Err(format!(
                "{title}: its operation id `{id}` is that of {other}, too; set another with \
                 `.operation_id(…)`"
            )),
            None => Ok(id),
        }
    }
}

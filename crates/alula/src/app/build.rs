//! From an [`App`] to what runs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use axum::{
    body::Body,
    routing::{MethodFilter, MethodRouter, get},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use serde_json::{Map, Value};

use super::{App, ApplyLayer, lifespan::Startup, service::AppService};
use crate::{
    error::{HttpError, Result},
    input::BodyLimits,
    openapi::{Operation, Plan},
    output::error_response,
    routing::{Meta, Route, Settings},
    serve::Shutdown,
};

/// Why an application did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The application has mistakes; this is all of them.
    Mistakes(Vec<String>),
    /// The lifespan function failed.
    Lifespan(HttpError),
    /// The address could not be bound, or signals not be listened to.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistakes(mistakes) => {
                f.write_str("the application cannot start:")?;
                mistakes.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
            }
            Self::Lifespan(error) => write!(f, "the lifespan failed: {}", error.log_message()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An application that takes requests.
pub(crate) struct Running {
    pub(crate) service: AppService,
    pub(crate) shutdown: Shutdown,
    /// What the lifespan left for the end. The lock only makes it shareable.
    at_end: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Running {
    /// Ends the lifespan, after the last request.
    pub(crate) async fn stop(self) {
        let at_end = self.at_end.into_inner().unwrap_or_else(PoisonError::into_inner);
        for work in at_end.into_iter().rev() {
            work.await;
        }
    }
}

/// The document of an application that is not started.
pub(super) fn document(app: App) -> Result<Value, StartError> {
    let lifespan_states = app.lifespan.is_some();
    let planned = plan(app, &Shutdown::new());
    let known = |mistake: &String| !(lifespan_states && mistake.contains("`State<"));
    let mistakes: Vec<_> = planned.mistakes.into_iter().filter(known).collect();
    if mistakes.is_empty() { Ok(planned.document) } else { Err(StartError::Mistakes(mistakes)) }
}

pub(super) async fn start(mut app: App, shutdown: Shutdown) -> Result<Running, StartError> {
    let mut startup = Startup::new(std::mem::take(&mut app.states));
    if let Some(lifespan) = app.lifespan.take() {
        startup = lifespan(startup).await.map_err(StartError::Lifespan)?;
    }
    app.states = startup.states;
    let Planned { router, mistakes, .. } = plan(app, &shutdown);
    let service = AppService::new(router);
    let running = Running { service, shutdown, at_end: Mutex::new(startup.shutdown) };
    if mistakes.is_empty() {
        return Ok(running);
    }
    // What the lifespan has opened must be closed, too.
    running.stop().await;
    Err(StartError::Mistakes(mistakes))
}

/// What an application comes to.
struct Planned {
    router: axum::Router,
    document: Value,
    mistakes: Vec<String>,
}

fn plan(app: App, shutdown: &Shutdown) -> Planned {
    let mut plan = Plan::new(app.states, app.overrides);
    let mut document = app.document;
    let mut paths = Paths::default();
    let routes = app.root.into_routes();
    let operation_ids = operation_ids(&routes);
    plan.mistakes.extend(repeated(&routes, &operation_ids));
    for (mut route, operation_id) in routes.into_iter().zip(operation_ids) {
        let title = format!("{} {}", route.method, route.path);
        let layers = std::mem::take(&mut route.layers);
        let meta = route.meta.clone();
        let (path, method) = (route.path.clone(), route.method.clone());
        let Some(filter) = paths.admit(&path, &method, &title, &mut plan.mistakes) else {
            continue;
        };
        let planning =
            |plan: &mut Plan| plan_route(route, &title, filter, app.body, shutdown, plan);
        let (mut handler, operation) =
            if meta.hidden { plan.undocumented(planning) } else { planning(&mut plan) };
        for layer in layers {
            handler = layer(handler);
        }
        paths.add(path.clone(), handler);
        if !meta.hidden {
            document.add(&path, method.as_str(), describe(meta, operation_id, operation));
        }
    }
    let document = document.finish(plan.components, plan.security_schemes);
    if let Some(url) = &app.openapi_url {
        let own = [(url.clone(), get(json_document(&document)))];
        paths.add_own("openapi_url", own, &mut plan.mistakes);
        #[cfg(feature = "docs")]
        if let Some(docs_url) = &app.docs_url {
            let own = super::docs::routes(docs_url, url, &document_title(&document));
            paths.add_own("docs_url", own, &mut plan.mistakes);
        }
    }
    let router = paths.into_router();
    Planned { router: finish(router, app.layers), document, mistakes: plan.mistakes }
}

#[cfg(feature = "docs")]
fn document_title(document: &Value) -> String {
    document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Plans one route: its handler, and what its types say about the operation.
fn plan_route(
    route: Route,
    title: &str,
    filter: MethodFilter,
    body: BodyLimits,
    shutdown: &Shutdown,
    plan: &mut Plan,
) -> (MethodRouter, Map<String, Value>) {
    let path_names = path_names(&route.path);
    let lax = route.lax.unwrap_or(false);
    let mut operation = Operation::new(plan, title, &path_names, lax);
    let status = operation.final_status(route.status);
    let guards = route.guards.iter().map(|guard| guard(&mut operation)).collect();
    let body_bytes_max = route.body_bytes_max.unwrap_or(body.body_bytes_max);
    let limits = BodyLimits { body_bytes_max, ..body };
    let settings = Settings { status, limits, guards, shutdown: shutdown.clone() };
    let handler = route.endpoint.plan(&mut operation, settings, filter);
    (handler, operation.finish())
}

/// The operation object: what the author said, then what the types say.
fn describe(meta: Meta, operation_id: String, types: Map<String, Value>) -> Map<String, Value> {
    let mut operation = Map::new();
    if !meta.tags.is_empty() {
        operation.insert("tags".to_owned(), meta.tags.into());
    }
    let summary = meta.summary.unwrap_or_else(|| title_case(&meta.name));
    operation.insert("summary".to_owned(), summary.into());
    if let Some(description) = meta.description {
        operation.insert("description".to_owned(), description.into());
    }
    operation.insert("operationId".to_owned(), operation_id.into());
    if meta.deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    operation.extend(types);
    let text = meta.response_description;
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    if let (Some(text), Some(responses)) = (text, responses) {
        let success = responses.iter_mut().find(|(status, _)| status.starts_with('2'));
        if let Some(response) = success.and_then(|(_, response)| response.as_object_mut()) {
            response.insert("description".to_owned(), text.into());
        }
    }
    operation
}

/// `create_item` as a title.
fn title_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(char::to_uppercase).into_iter().flatten();
        first.chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The name of each endpoint; where two share it, with method and path, whatever their order.
fn operation_ids(routes: &[Route]) -> Vec<String> {
    let own = |route: &Route| route.meta.operation_id.clone();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for route in routes.iter().filter(|route| own(route).is_none()) {
        *uses.entry(&route.meta.name).or_default() += 1;
    }
    let unique = |route: &Route| uses.get(route.meta.name.as_str()) == Some(&1);
    let id = |route: &Route| {
        let name = &route.meta.name;
        own(route).unwrap_or_else(|| match unique(route) {
            true => name.clone(),
            false => {
                let path = route.path.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
                format!("{name}{path}_{}", route.method.as_str().to_ascii_lowercase())
            }
        })
    };
    routes.iter().map(id).collect()
}

/// Operation ids that two endpoints have, although clients name their methods by them.
fn repeated(routes: &[Route], operation_ids: &[String]) -> Vec<String> {
    let mut known: HashMap<&str, &Route> = HashMap::new();
    let mut mistakes = Vec::new();
    for (route, id) in routes.iter().zip(operation_ids).filter(|(route, _)| !route.meta.hidden) {
        if let Some(other) = known.insert(id, route) {
            mistakes.push(format!(
                "{} {}: its operation id `{id}` is that of {} {}, too; \
                 set another with `.operation_id(…)`",
                route.method, route.path, other.method, other.path
            ));
        }
    }
    mistakes
}

/// The names in braces, in order.
fn path_names(path: &str) -> Vec<String> {
    let part = |part: &str| Some(part.split_once('}')?.0.trim_start_matches('*').to_owned());
    path.split('{').skip(1).filter_map(part).collect()
}

/// The handlers by path; refuses what axum would panic on.
#[derive(Default)]
struct Paths {
    handlers: BTreeMap<String, MethodRouter>,
    methods: HashMap<(String, Method), String>,
    known: matchit::Router<()>,
}

impl Paths {
    /// Checks a path and a method; notes a mistake if they cannot be routed.
    fn admit(
        &mut self,
        path: &str,
        method: &Method,
        title: &str,
        mistakes: &mut Vec<String>,
    ) -> Option<MethodFilter> {
        let old_style = path.split('/').find(|part| part.starts_with([':', '*']));
        let mistake = if !path.starts_with('/') {
            Some("a path begins with `/`".to_owned())
        } else if path.contains("//") {
            Some("the path has an empty part; does a prefix end in `/`?".to_owned())
        } else if let Some(part) = old_style {
            let name = part.trim_start_matches([':', '*']);
            Some(format!("write `{{{name}}}` instead of `{part}`"))
        } else if self.methods.contains_key(&(path.to_owned(), method.clone())) {
            Some("this method and path are routed twice".to_owned())
        } else if self.handlers.contains_key(path) {
            None
        } else {
            self.known.insert(path, ()).err().map(|error| error.to_string())
        };
        let filter = MethodFilter::try_from(method.clone()).map_err(|error| error.to_string());
        match (mistake, filter) {
            (None, Ok(filter)) => {
                self.methods.insert((path.to_owned(), method.clone()), title.to_owned());
                Some(filter)
            }
            (Some(mistake), _) | (None, Err(mistake)) => {
                mistakes.push(format!("{title}: {mistake}"));
                None
            }
        }
    }

    fn add(&mut self, path: String, handler: MethodRouter) {
        let known = self.handlers.remove(&path).unwrap_or_default();
        self.handlers.insert(path, known.merge(handler));
    }

    /// Adds what the framework itself serves at a URL that `setting` chooses.
    fn add_own(
        &mut self,
        setting: &str,
        routes: impl IntoIterator<Item = (String, MethodRouter)>,
        mistakes: &mut Vec<String>,
    ) {
        for (path, handler) in routes {
            let title = format!("GET {path} (`{setting}`)");
            if self.admit(&path, &Method::GET, &title, mistakes).is_some() {
                self.add(path, handler);
            }
        }
    }

    fn into_router(self) -> axum::Router {
        self.handlers
            .into_iter()
            .fold(axum::Router::new(), |router, (path, handler)| router.route(&path, handler))
    }
}

fn finish(router: axum::Router, layers: Vec<ApplyLayer>) -> axum::Router {
    let router = router
        .fallback(|| async { error_response(&HttpError::not_found("Not Found")) })
        .method_not_allowed_fallback(|| async {
            error_response(&HttpError::new(405, "Method Not Allowed"))
        });
    layers.into_iter().fold(router, |router, layer| layer(router))
}

/// Serves the document, serialized once.
fn json_document(
    document: &Value,
) -> impl Fn() -> std::future::Ready<Response<Body>> + Clone + Send + Sync + 'static {
    let text = Bytes::from(document.to_string());
    move || {
        let mut response = Response::new(Body::from(text.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        std::future::ready(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_path_are_found_in_order() {
        assert_eq!(path_names("/a/{b}/c/{*rest}"), ["b", "rest"]);
        assert_eq!(path_names("/{id}.json"), ["id"]);
        assert!(path_names("/plain").is_empty());
    }

    #[test]
    fn names_become_titles() {
        assert_eq!(title_case("create_item"), "Create Item");
        assert_eq!(title_case("_x__y"), "X Y");
        assert_eq!(title_case(""), "");
    }
}

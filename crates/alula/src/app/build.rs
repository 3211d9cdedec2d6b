//! From an [`App`] to what runs.

use std::{
    fmt,
    future::{Future, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    routing::{MethodFilter, get},
};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::Value;

use super::{
    App, ApplyLayer, embed::fall_back, lifespan::Startup, paths::Paths, planning::Planning,
    service::AppService,
};
use crate::{
    error::{Areas, ErrorPolicies, HttpError, Result},
    openapi::{OperationIds, Plan},
    routing::RouterParts,
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
    let planned = plan(app, &Shutdown::new());
    match planned.mistakes.is_empty() {
        true => Ok(planned.document),
        false => Err(StartError::Mistakes(planned.mistakes)),
    }
}

pub(super) async fn start(mut app: App, shutdown: Shutdown) -> Result<Running, StartError> {
    let mut startup = Startup::new(std::mem::take(&mut app.states));
    if let Some(lifespan) = app.lifespan.take() {
        startup = lifespan(startup).await.map_err(StartError::Lifespan)?;
    }
    app.states = startup.states;
    #[cfg(feature = "otel")]
    let telemetry = app.telemetry.clone();
    let access_log = std::mem::take(&mut app.access_log);
    let Planned { router, errors, mistakes, .. } = plan(app, &shutdown);
    let service = AppService::new(router, access_log, errors);
    #[cfg(feature = "otel")]
    let service = {
        if let Some(telemetry) = telemetry.clone() {
            // Last of all: what else happens at the end is told, too.
            startup.shutdown.insert(0, Box::pin(async move { telemetry.shutdown().await }));
        }
        service.with_telemetry(telemetry)
    };
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
    errors: Option<Arc<ErrorPolicies>>,
    document: Value,
    mistakes: Vec<String>,
}

fn plan(app: App, shutdown: &Shutdown) -> Planned {
    // A lifespan that has not run may still bring any state.
    let may_lack_states = app.lifespan.is_some();
    let mut plan = Plan::new(app.states, app.overrides, may_lack_states);
    plan.mistakes.extend(app.mistakes);
    let mut document = app.document;
    let mut paths = Paths::default();
    #[cfg(feature = "otel")]
    paths.note_routes(app.telemetry.is_some());
    let RouterParts { routes, areas, errors } = app.root.into_parts();
    let mut areas = Areas::new(errors, areas);
    let named = routes.iter().chain(app.webhooks.iter().map(|(_, route)| route));
    let mut ids = OperationIds::new(named, app.operation_ids);
    for mut route in routes {
        let title = format!("{} {}", route.method, route.path);
        let layers = std::mem::take(&mut route.layers);
        let (path, method) = (route.path.clone(), route.method.clone());
        let Some(filter) = paths.admit(&path, &method, &title, &mut plan.mistakes) else {
            continue;
        };
        areas.add_route(&path, &route.errors);
        let is_hidden = route.meta.hidden;
        let planning = |plan: &mut Plan| {
            let endpoint = Planning { filter, body: app.body, shutdown };
            endpoint.route(route, &title, &mut ids, plan)
        };
        let (handler, operation) =
            if is_hidden { plan.undocumented(planning) } else { planning(&mut plan) };
        paths.add_layered(&path, &method, handler, &layers);
        for mistake in layers.mistakes() {
            // A router says it for each of its routes.
            if !plan.mistakes.contains(mistake) {
                plan.mistakes.push(mistake.clone());
            }
        }
        if !is_hidden {
            document.add(&path, method.as_str(), operation);
        }
    }
    for (name, route) in app.webhooks {
        let title = format!("webhook `{name}`");
        let method = route.method.clone();
        if !route.path.is_empty() {
            let path = &route.path;
            plan.mistakes.push(format!("{title}: it has the path `{path}`, where `\"\"` is meant"));
        }
        let planning = Planning { filter: MethodFilter::GET, body: app.body, shutdown };
        let operation = planning.description(route, &title, &mut ids, &mut plan);
        if !document.add_webhook(name, method.as_str(), operation) {
            plan.mistakes.push(format!("{title}: it is described twice"));
        }
    }
    let mut document = document.finish(plan.components, plan.security_schemes);
    for change in app.customize {
        change(&mut document);
    }
    if let Some(url) = &app.openapi_url {
        let own = [(url.clone(), get(json_document(&document)))];
        paths.add_own("openapi_url", own, &mut plan.mistakes);
        #[cfg(feature = "docs")]
        if let Some(docs_url) = &app.docs_url {
            plan.mistakes.extend_from_slice(app.docs.mistakes());
            let own = super::docs::routes(docs_url, url, &document, &app.docs);
            paths.add_own("docs_url", own, &mut plan.mistakes);
        }
    }
    let router = paths.into_router();
    Planned {
        router: finish(router, app.foreign, app.layers),
        errors: areas.finish(shutdown),
        document,
        mistakes: plan.mistakes,
    }
}

fn finish(
    router: axum::Router,
    foreign: Vec<axum::Router>,
    layers: Vec<ApplyLayer>,
) -> axum::Router {
    layers.into_iter().fold(fall_back(router, foreign), |router, layer| layer(router))
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
        ready(response)
    }
}

//! From an [`App`] to what runs.

use std::{fmt, io, sync::Arc};

use axum::routing::MethodFilter;
use futures_util::future::BoxFuture;
use serde_json::Value;

#[cfg(feature = "mcp")]
use super::mcp::{Offer, Protection, Surroundings};
use super::{
    App,
    lifespan::{Closing, Startup},
    planning::Planning,
    service::AppService,
    table::Table,
};
use crate::{
    error::{Areas, ErrorPolicies, HttpError, Result},
    files::Files,
    input::BodyLimits,
    openapi::{Document, OperationIds, Plan},
    routing::Route,
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
    /// Not begun yet.
    #[cfg(feature = "jobs")]
    pub(crate) jobs: Option<super::ReadyJobs>,
    #[cfg(feature = "mcp")]
    pub(crate) mcp: Option<Arc<crate::mcp::Engine>>,
    closing: Closing,
}

impl Running {
    /// Ends the lifespan, after the last request.
    pub(crate) async fn stop(self) {
        self.closing.run().await;
    }
}

/// The document of an application that is not started.
pub(super) fn document(app: App) -> Result<Value, StartError> {
    let planned = plan_app(app, "", &Shutdown::new());
    match planned.mistakes.is_empty() {
        true => Ok(planned.document),
        false => Err(StartError::Mistakes(planned.mistakes)),
    }
}

/// Starts an application. What its lifespans leave for the end is in `closing`, which the caller
/// has to run, also after an error.
pub(super) async fn start(
    mut app: App,
    shutdown: Shutdown,
    closing: Closing,
) -> Result<Running, StartError> {
    open(&mut app, &closing).await?;
    #[cfg(feature = "jobs")]
    app.jobs.prepare(&mut app.states);
    #[cfg(feature = "otel")]
    let telemetry = app.telemetry.clone();
    let access_log = std::mem::take(&mut app.access_log);
    let planned = plan_app(app, "", &shutdown);
    #[cfg(feature = "jobs")]
    let jobs = planned.jobs;
    #[cfg(feature = "mcp")]
    let mcp = planned.mcp;
    let Planned { router, errors, mut mistakes, files, .. } = planned;
    let missing = |(title, files): (String, Files)| Some(format!("{title}: {}", files.mistake()?));
    mistakes.extend(files.into_iter().filter_map(missing));
    if !mistakes.is_empty() {
        return Err(StartError::Mistakes(mistakes));
    }
    let service = AppService::new(router, access_log, errors);
    #[cfg(feature = "otel")]
    let service = {
        if let Some(telemetry) = telemetry.clone() {
            // Last of all: what else happens at the end is told, too.
            closing.push_last(async move { telemetry.shutdown().await });
        }
        service.with_telemetry(telemetry)
    };
    Ok(Running {
        service,
        shutdown,
        #[cfg(feature = "jobs")]
        jobs,
        #[cfg(feature = "mcp")]
        mcp,
        closing,
    })
}

/// Runs the lifespan of an application, then those of the applications that are mounted in it.
fn open<'a>(app: &'a mut App, closing: &'a Closing) -> BoxFuture<'a, Result<(), StartError>> {
    Box::pin(async move {
        let mut startup = Startup::new(std::mem::take(&mut app.states), closing.clone());
        if let Some(lifespan) = app.lifespan.take() {
            startup = lifespan(startup).await.map_err(StartError::Lifespan)?;
        }
        app.states = startup.states;
        for (_, mounted) in &mut app.mounted {
            // The outermost tells of requests; the others say which routes they took.
            #[cfg(feature = "otel")]
            mounted.telemetry.clone_from(&app.telemetry);
            open(mounted, closing).await?;
        }
        Ok(())
    })
}

/// What an application comes to.
pub(super) struct Planned {
    pub(super) router: axum::Router,
    pub(super) errors: Option<Arc<ErrorPolicies>>,
    document: Value,
    pub(super) mistakes: Vec<String>,
    #[cfg(feature = "jobs")]
    jobs: Option<super::ReadyJobs>,
    #[cfg(feature = "mcp")]
    mcp: Option<Arc<crate::mcp::Engine>>,
    /// What it offers over MCP, if it is for the application around to serve.
    #[cfg(feature = "mcp")]
    pub(super) draft: crate::mcp::Draft,
    /// Directories that have to be there at the start, by their routes.
    pub(super) files: Vec<(String, Files)>,
}

/// Plans an application that is mounted at a prefix, empty for the outermost.
fn plan_app(app: App, prefix: &str, shutdown: &Shutdown) -> Planned {
    #[cfg(feature = "mcp")]
    let app = app.with_mcp();
    // A lifespan that has not run may still bring any state.
    let may_lack_states = app.lifespan.is_some();
    let mut plan = Plan::new(app.states, app.overrides, may_lack_states);
    plan.mistakes.extend(app.mistakes);
    let root = app.root.into_parts();
    #[cfg(feature = "mcp")]
    let protection = Protection { has_guards: root.has_guards, has_layers: !app.layers.is_empty() };
    let (routes, areas, errors) = (root.routes, root.areas, root.errors);
    let named = routes.iter().chain(app.webhooks.iter().map(|(_, route)| route));
    let ids = OperationIds::new(named, app.operation_ids);
    let mut building = Building {
        prefix,
        shutdown,
        body: app.body,
        plan,
        document: app.document,
        table: Table::default(),
        areas: Areas::new(errors, areas, prefix),
        ids,
        #[cfg(feature = "mcp")]
        draft: crate::mcp::Draft::default(),
    };
    #[cfg(feature = "otel")]
    building.table.paths.note_routes(app.telemetry.is_some());
    routes.into_iter().for_each(|route| building.route(route));
    for (name, route) in app.webhooks {
        building.webhook(name, route);
    }
    for (path, mounted) in app.mounted {
        building.mount(&path, mounted);
    }
    let Building { mut plan, mut document, mut table, areas, .. } = building;
    #[cfg(feature = "jobs")]
    let jobs = app.jobs.plan(prefix, &mut plan, app.body, shutdown);
    #[cfg(feature = "mcp")]
    let (mcp, draft) = {
        let (limits, has_workers) = (app.body, app.workers.are_several());
        let around =
            Surroundings { document: &document, limits, has_workers, shutdown, prefix, protection };
        app.mcp.plan(building.draft, &mut plan, &mut table.paths, &around)
    };
    if !prefix.is_empty() {
        document.mounted_at(prefix);
    }
    let mut document = document.finish(plan.components, plan.security_schemes);
    for change in app.customize {
        change(&mut document);
    }
    app.viewers.add_to(prefix, &document, &mut table.paths, &mut plan.mistakes);
    let (router, files) = table.finish(app.foreign, app.redirect_slashes);
    let router = app.layers.into_iter().fold(router, |router, layer| layer(router));
    let errors = areas.finish(shutdown);
    Planned {
        router,
        errors,
        document,
        mistakes: plan.mistakes,
        #[cfg(feature = "jobs")]
        jobs,
        #[cfg(feature = "mcp")]
        mcp,
        #[cfg(feature = "mcp")]
        draft,
        files,
    }
}

/// An application while it is planned.
struct Building<'a> {
    prefix: &'a str,
    shutdown: &'a Shutdown,
    body: BodyLimits,
    plan: Plan,
    document: Document,
    table: Table,
    areas: Areas,
    ids: OperationIds,
    /// What it offers over MCP.
    #[cfg(feature = "mcp")]
    draft: crate::mcp::Draft,
}

impl Building<'_> {
    /// Plans a route: where it is found, its handler, and its place in the document.
    fn route(&mut self, mut route: Route) {
        let Self { prefix, shutdown, body, plan, table, ids, .. } = self;
        let title = format!("{} {}", route.method, route.path);
        let mut layers = std::mem::take(&mut route.layers);
        if route.is_detached() {
            layers.detach(shutdown);
        }
        let path = route.path.clone();
        let Some(place) = table.admit(prefix, &mut route, &title, &mut plan.mistakes) else {
            return;
        };
        self.areas.add_route(&format!("{prefix}{path}"), &route.errors);
        let (is_hidden, filter) = (route.meta.hidden, place.filter());
        let method = route.method.clone();
        #[cfg(feature = "mcp")]
        let (offer, draft) = (Offer::take(&mut route, prefix), &mut self.draft);
        let planning = |plan: &mut Plan| {
            let endpoint = Planning { filter, body: *body, shutdown };
            let planned = endpoint.route(route, &title, ids, plan);
            #[cfg(feature = "mcp")]
            if let Some(offer) = offer {
                offer.plan(&planned, &layers, draft, plan);
            }
            planned
        };
        let (handler, operation) =
            if is_hidden { plan.undocumented(planning) } else { planning(plan) };
        table.add(place, handler, &layers);
        plan.add_mistakes(layers.mistakes());
        if !is_hidden {
            self.document.add(&path, method.as_str(), operation);
        }
    }

    fn webhook(&mut self, name: String, route: Route) {
        let Self { body, shutdown, ids, document, plan, .. } = self;
        let planning = Planning { filter: MethodFilter::GET, body: *body, shutdown };
        planning.webhook(name, route, ids, document, plan);
    }

    /// Plans an application that is mounted in this one.
    fn mount(&mut self, below: &str, mounted: App) {
        let path = format!("{}{below}", self.prefix);
        let title = format!("mounted at `{path}`");
        let mistakes = &mut self.plan.mistakes;
        if self.table.below.admit_mount(&path, &title, mistakes) {
            let mounted = plan_app(mounted, &path, self.shutdown);
            #[cfg(feature = "mcp")]
            let mounted = mounted.give(below, &mut self.draft);
            self.table.mount(path, &title, mounted, mistakes);
        }
    }
}

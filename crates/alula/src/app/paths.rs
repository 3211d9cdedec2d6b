//! The routing table while it is built.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::Request,
    routing::{MethodFilter, MethodRouter},
};
use http::{Method, Response, header};

use crate::{
    error::{HttpError, answer_for},
    middleware::CorsRules,
    routing::Layers,
};

/// The handlers by path; refuses what axum would panic on.
#[derive(Default)]
pub(super) struct Paths {
    handlers: BTreeMap<String, MethodRouter>,
    methods: HashMap<(String, Method), String>,
    known: matchit::Router<()>,
    /// By path, the methods whose layers let pages of other origins use them.
    cors: BTreeMap<String, Vec<(Method, CorsRules)>>,
    /// Whether the traces of requests learn the path that they were routed to.
    #[cfg(feature = "otel")]
    notes_routes: bool,
}

impl Paths {
    /// Sets whether requests have traces to be told.
    #[cfg(feature = "otel")]
    pub(super) fn note_routes(&mut self, notes_routes: bool) {
        self.notes_routes = notes_routes;
    }

    /// Checks a path and a method; notes a mistake if they cannot be routed.
    pub(super) fn admit(
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

    pub(super) fn add(&mut self, path: String, handler: MethodRouter) {
        let known = self.handlers.remove(&path).unwrap_or_default();
        self.handlers.insert(path, known.merge(handler));
    }

    /// Adds a handler with its layers, one of which may have preflight requests answered unless a
    /// route does it.
    pub(super) fn add_layered(
        &mut self,
        path: &str,
        method: &Method,
        handler: MethodRouter,
        layers: &Layers,
    ) {
        self.add(path.to_owned(), layers.apply(handler));
        if let Some(cors) = layers.cors() {
            self.cors.entry(path.to_owned()).or_default().push((method.clone(), cors.rules()));
        }
    }

    /// Adds what the framework itself serves at a URL that `setting` chooses.
    pub(super) fn add_own(
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

    /// The router, and the paths that it knows.
    pub(super) fn into_router(mut self) -> (axum::Router, matchit::Router<()>) {
        for (path, methods) in self.cors {
            if let Some(handler) = self.handlers.remove(&path) {
                self.handlers.insert(path, with_preflight(handler, methods));
            }
        }
        #[cfg(feature = "otel")]
        if self.notes_routes {
            let noted = |(path, handler): (String, MethodRouter)| {
                let handler = crate::otel::note_route(handler, &path);
                (path, handler)
            };
            self.handlers = self.handlers.into_iter().map(noted).collect();
        }
        let add = |router: axum::Router, (path, handler): (String, MethodRouter)| {
            router.route(&path, handler)
        };
        (self.handlers.into_iter().fold(axum::Router::new(), add), self.known)
    }
}

/// What a path answers to methods that it does not have.
pub(super) async fn method_not_allowed(request: Request) -> Response<Body> {
    answer_for(&request, HttpError::new(405, "Method Not Allowed"))
}

/// Has a path answer preflight requests by the rules of the method that they ask for.
fn with_preflight(handler: MethodRouter, methods: Vec<(Method, CorsRules)>) -> MethodRouter {
    let methods: Arc<[_]> = methods.into();
    handler.fallback(move |request: Request| {
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let is_asked = |(method, _): &&(Method, CorsRules)| {
            asked.is_some_and(|asked| asked.as_bytes() == method.as_str().as_bytes())
        };
        let rules = methods.iter().find(is_asked);
        let answer = rules.and_then(|(_, rules)| rules.preflight(&request));
        async {
            match answer {
                Some(answer) => answer,
                None => method_not_allowed(request).await,
            }
        }
    })
}

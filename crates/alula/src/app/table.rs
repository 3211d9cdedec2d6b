//! Where everything of an application is found: its routes, and what is below a prefix.

use axum::{
    Router,
    routing::{MethodFilter, MethodRouter},
};
use http::Method;

use super::{
    build::Planned,
    embed::fall_back,
    paths::{Paths, method_not_allowed},
    rest::{Entry, Mounted, Rest},
};
use crate::{
    files::Files,
    routing::{Layers, Route},
};

#[derive(Default)]
pub(super) struct Table {
    pub(super) paths: Paths,
    pub(super) below: Mounted,
    files: Vec<(String, Files)>,
}

/// Where a route goes.
pub(super) enum Place {
    /// Its path, for one method.
    Path { path: String, method: Method, filter: MethodFilter },
    /// All paths below a prefix that nothing else has, for all methods.
    Below { prefix: String },
}

impl Place {
    pub(super) fn filter(&self) -> MethodFilter {
        match self {
            Self::Path { filter, .. } => *filter,
            // `HEAD` is answered as `GET` where it is not named.
            Self::Below { .. } => MethodFilter::GET
                .or(MethodFilter::POST)
                .or(MethodFilter::PUT)
                .or(MethodFilter::PATCH)
                .or(MethodFilter::DELETE)
                .or(MethodFilter::OPTIONS)
                .or(MethodFilter::TRACE)
                .or(MethodFilter::CONNECT),
        }
    }
}

impl Table {
    /// Finds the place of a route; notes a mistake if there is none.
    pub(super) fn admit(
        &mut self,
        prefix: &str,
        route: &mut Route,
        title: &str,
        mistakes: &mut Vec<String>,
    ) -> Option<Place> {
        let path = format!("{prefix}{}", route.path);
        let Some(files) = route.below.take() else {
            let method = route.method.clone();
            let filter = self.paths.admit(&path, &method, title, mistakes)?;
            return Some(Place::Path { path, method, filter });
        };
        let prefix = path.trim_end_matches('/').to_owned();
        if !self.below.admit(&prefix, title, mistakes) {
            return None;
        }
        self.files.push((title.to_owned(), files));
        Some(Place::Below { prefix })
    }

    pub(super) fn add(&mut self, place: Place, handler: MethodRouter, layers: &Layers) {
        match place {
            Place::Path { path, method, .. } => {
                self.paths.add_layered(&path, &method, handler, layers);
            }
            Place::Below { prefix } => {
                let handler = layers.apply(handler).fallback(method_not_allowed);
                let router = Router::new().fallback_service(handler);
                self.below.add(Entry { prefix, router, errors: None });
            }
        }
    }

    /// Adds an application below a prefix.
    pub(super) fn mount(
        &mut self,
        prefix: String,
        title: &str,
        app: Planned,
        mistakes: &mut Vec<String>,
    ) {
        let about = |what: String| format!("{title}: {what}");
        mistakes.extend(app.mistakes.into_iter().map(about));
        self.files.extend(app.files.into_iter().map(|(what, files)| (about(what), files)));
        self.below.add(Entry { prefix, router: app.router, errors: Some(app.errors) });
    }

    pub(super) fn finish(
        self,
        foreign: Vec<Router>,
        redirect_slashes: bool,
    ) -> (Router, Vec<(String, Files)>) {
        let (routes, known) = self.paths.into_router();
        let known = if redirect_slashes { known } else { matchit::Router::new() };
        let rest = Rest::new(known, self.below);
        (fall_back(routes, foreign, rest), self.files)
    }
}

//! The routing table while it is built.

use std::collections::{BTreeMap, HashMap};

use axum::routing::{MethodFilter, MethodRouter};
use http::Method;

/// The handlers by path; refuses what axum would panic on.
#[derive(Default)]
pub(super) struct Paths {
    handlers: BTreeMap<String, MethodRouter>,
    methods: HashMap<(String, Method), String>,
    known: matchit::Router<()>,
}

impl Paths {
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

    pub(super) fn into_router(self) -> axum::Router {
        self.handlers
            .into_iter()
            .fold(axum::Router::new(), |router, (path, handler)| router.route(&path, handler))
    }
}

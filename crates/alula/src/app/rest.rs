//! What answers a request whose path no route has.

use std::sync::Arc;

use axum::{body::Body, extract::Request};
use http::{HeaderValue, Response, StatusCode, Uri, header};
use tower_service::Service as _;

use crate::{
    error::{ErrorPolicies, HttpError, answer_for},
    files::Below,
    input::RequestId,
};

/// Redirects between paths with and without a slash at their end, then what is mounted below a
/// prefix, then 404.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The paths of all routes; empty where nothing is redirected.
    known: matchit::Router<()>,
    /// The longest prefix first.
    below: Vec<Entry>,
}

impl Rest {
    pub(super) fn new(known: matchit::Router<()>, below: Mounted) -> Self {
        let mut below = below.0;
        below.sort_by_key(|entry| std::cmp::Reverse(entry.prefix.len()));
        Self(Arc::new(Inner { known, below }))
    }

    pub(super) async fn answer(self, mut request: Request) -> Response<Body> {
        if let Some(location) = self.0.redirect(request.uri()) {
            return redirect(location);
        }
        let Some(entry) = self.0.find(request.uri().path()) else {
            return answer_for(&request, HttpError::not_found("Not Found"));
        };
        let extensions = request.extensions_mut();
        extensions.insert(Below::new(entry.prefix.len()));
        if let (Some(errors), Some(id)) = (&entry.errors, extensions.get_mut::<RequestId>()) {
            id.set_errors(errors.clone());
        }
        match entry.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl Inner {
    /// The same path with a slash more or less, if there is a route for it.
    fn redirect(&self, uri: &Uri) -> Option<HeaderValue> {
        let path = uri.path();
        let other = match path.trim_end_matches('/') {
            "" => return None,
            same if same.len() == path.len() => format!("{path}/"),
            shorter => shorter.to_owned(),
        };
        // Two slashes would lead to another host, and a browser takes a backslash for one.
        let leads_away = other.starts_with("//") || other.contains('\\');
        if leads_away || self.known.at(&other).is_err() {
            return None;
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        HeaderValue::try_from(format!("{other}{query}")).ok()
    }

    fn find(&self, path: &str) -> Option<&Entry> {
        self.below.iter().find(|entry| {
            let rest = path.strip_prefix(entry.prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// 307, so that the client repeats its request as it was.
pub(crate) fn redirect(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What is mounted.
#[derive(Default)]
pub(super) struct Mounted(Vec<Entry>);

/// What answers below a prefix.
pub(super) struct Entry {
    /// Without a slash at the end.
    pub(super) prefix: String,
    pub(super) router: axum::Router,
    /// For an application, how it answers errors, if not as usual.
    pub(super) errors: Option<Option<Arc<ErrorPolicies>>>,
}

impl Mounted {
    /// Checks a prefix; notes a mistake if nothing can be mounted there.
    pub(super) fn admit(&self, prefix: &str, title: &str, mistakes: &mut Vec<String>) -> bool {
        let mistake = if !prefix.is_empty() && !prefix.starts_with('/') {
            "a path begins with `/`"
        } else if prefix.contains("//") {
            "the path has an empty part"
        } else if prefix.contains(['{', '}', '*', '?', '#', '%']) {
            "the path to mount at is plain, without parameters"
        } else if self.0.iter().any(|known| known.prefix == prefix) {
            "two things are mounted there"
        } else {
            return true;
        };
        mistakes.push(format!("{title}: {mistake}"));
        false
    }

    /// The same for an application, which cannot be mounted at the root.
    pub(super) fn admit_mount(
        &self,
        prefix: &str,
        title: &str,
        mistakes: &mut Vec<String>,
    ) -> bool {
        if prefix.is_empty() {
            mistakes.push(format!("{title}: an app at the root is a router to `.include(…)`"));
            return false;
        }
        self.admit(prefix, title, mistakes)
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.0.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(path: &str) -> Option<String> {
        let mut known = matchit::Router::new();
        for path in ["/items", "/slash/", "/{a}/{b}", "/{a}"] {
            known.insert(path, ()).unwrap();
        }
        let location = Inner { known, below: Vec::new() }.redirect(&path.parse().unwrap())?;
        Some(location.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_slash_more_or_less_is_redirected_where_a_route_is() {
        assert_eq!(redirected("/items/").unwrap(), "/items");
        assert_eq!(redirected("/items///?a=1&b=%20").unwrap(), "/items?a=1&b=%20");
        assert_eq!(redirected("/slash?a").unwrap(), "/slash/?a");
        assert_eq!(redirected("/x/y/").unwrap(), "/x/y");
        for path in ["/", "//", "/a/b/c/", "/a/b/c", "/x"] {
            assert_eq!(redirected(path), None, "{path}");
        }
    }

    #[test]
    fn no_redirect_leads_to_another_host() {
        for path in
            ["//evil.example/", "//evil.example/x/", "/\\evil.example/", "/\\/evil.example/"]
        {
            assert_eq!(redirected(path), None, "{path}");
        }
    }
}

//! The document and its viewers, as the application serves them.

use std::future::ready;

use axum::{body::Body, routing::get};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::Value;

#[cfg(feature = "docs")]
use super::docs::{self, DocsSettings};
use super::{App, paths::Paths};

/// Where the document and its viewers are served.
pub(super) struct Viewers {
    openapi_url: Option<String>,
    #[cfg(feature = "docs")]
    docs_url: Option<String>,
    #[cfg(feature = "docs")]
    docs: DocsSettings,
    #[cfg(feature = "redoc")]
    redoc_url: Option<String>,
}

impl Default for Viewers {
    fn default() -> Self {
        Self {
            openapi_url: Some("/openapi.json".to_owned()),
            #[cfg(feature = "docs")]
            docs_url: Some("/docs".to_owned()),
            #[cfg(feature = "docs")]
            docs: DocsSettings::new(),
            #[cfg(feature = "redoc")]
            redoc_url: Some("/redoc".to_owned()),
        }
    }
}

impl App {
    /// Where the OpenAPI document is served; `/openapi.json` by default. `None` serves neither it
    /// nor the documentation.
    pub fn openapi_url(mut self, url: impl Into<Option<&'static str>>) -> Self {
        self.viewers.openapi_url = url.into().map(str::to_owned);
        self
    }

    /// Where Swagger UI is served; `/docs` by default, `None` for nowhere.
    #[cfg(feature = "docs")]
    pub fn docs_url(mut self, url: impl Into<Option<&'static str>>) -> Self {
        self.viewers.docs_url = url.into().map(str::to_owned);
        self
    }

    /// Where Redoc is served; `/redoc` by default, `None` for nowhere.
    #[cfg(feature = "redoc")]
    pub fn redoc_url(mut self, url: impl Into<Option<&'static str>>) -> Self {
        self.viewers.redoc_url = url.into().map(str::to_owned);
        self
    }

    /// Sets how Swagger UI looks and logs in; see [`DocsSettings`].
    #[cfg(feature = "docs")]
    pub fn docs(mut self, settings: DocsSettings) -> Self {
        self.viewers.docs = settings;
        self
    }
}

impl Viewers {
    /// Adds the routes of the document and of its viewers, below a prefix.
    pub(super) fn add_to(
        &self,
        prefix: &str,
        document: &Value,
        paths: &mut Paths,
        mistakes: &mut Vec<String>,
    ) {
        let Some(url) = &self.openapi_url else { return };
        let url = format!("{prefix}{url}");
        #[cfg(feature = "docs")]
        if let Some(docs_url) = &self.docs_url {
            mistakes.extend_from_slice(self.docs.mistakes());
            let docs_url = format!("{prefix}{docs_url}");
            let own = docs::routes(&docs_url, &url, document, &self.docs);
            paths.add_own("docs_url", own, mistakes);
        }
        #[cfg(feature = "redoc")]
        if let Some(redoc_url) = &self.redoc_url {
            let redoc_url = format!("{prefix}{redoc_url}");
            let own = docs::redoc::routes(&redoc_url, &url, docs::title(document));
            paths.add_own("redoc_url", own, mistakes);
        }
        let own = [(url, get(json_document(document)))];
        paths.add_own("openapi_url", own, mistakes);
    }
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

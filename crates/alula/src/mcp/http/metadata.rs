//! What tells clients where to log in (RFC 9728).

use std::collections::BTreeSet;

use axum::{
    body::{Body, Bytes},
    routing::{MethodRouter, get},
};
use http::{HeaderValue, Response, StatusCode, Uri, header};
use serde_json::json;

use crate::{
    error::HttpError,
    mcp::{engine::is_challenge, settings::ProtectedResource},
};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Where the metadata of an endpoint is.
fn path(endpoint: &str) -> String {
    format!("{WELL_KNOWN}{}", endpoint.trim_end_matches('/'))
}

/// The routes of the metadata, for the endpoint and, where nobody asks by its path, for the server.
pub(crate) fn routes(auth: &ProtectedResource, endpoint: &str) -> Vec<(String, MethodRouter)> {
    let ProtectedResource { resource, servers, scopes } = auth;
    let mut metadata = json!({
        "resource": resource,
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
    });
    if let (Some(metadata), false) = (metadata.as_object_mut(), scopes.is_empty()) {
        metadata.insert("scopes_supported".to_owned(), json!(scopes));
    }
    let text = Bytes::from(metadata.to_string());
    let handler = get(move || {
        let mut response = Response::new(Body::from(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // It is for whoever wants to log in, from whatever page.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        std::future::ready(response)
    });
    // A proxy may leave out a part of the path that clients see.
    let advertised = resource.parse::<Uri>().map_or_else(|_| path(""), |uri| path(uri.path()));
    let paths = BTreeSet::from([path(endpoint), advertised, WELL_KNOWN.to_owned()]);
    paths.into_iter().map(|path| (path, handler.clone())).collect()
}

/// What is wrong with the metadata.
pub(crate) fn mistake(auth: &ProtectedResource) -> Option<String> {
    let uri = auth.resource.parse::<Uri>().ok();
    let is_absolute = uri.is_some_and(|uri| uri.scheme().is_some() && uri.authority().is_some());
    if !is_absolute || auth.resource.contains(['"', '\\']) {
        return Some(format!("`{}` is no absolute URL of the MCP endpoint", auth.resource));
    }
    auth.servers.is_empty().then(|| {
        "the protected resource of MCP names no authorization server; add \
         `.authorization_server(…)`"
            .to_owned()
    })
}

/// An error that tells the client where to log in, if it has to.
pub(super) fn challenge(auth: &ProtectedResource, error: HttpError) -> HttpError {
    if error.status() != StatusCode::UNAUTHORIZED && !is_challenge(&error) {
        return error;
    }
    let Ok(uri) = auth.resource.parse::<Uri>() else { return error };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return error };
    let metadata = format!("{scheme}://{authority}{}", path(uri.path()));
    let mut challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    if !auth.scopes.is_empty() {
        challenge.push_str(&format!(", scope=\"{}\"", auth.scopes.join(" ")));
    }
    let is_invalid = || {
        let mut told = error.headers().filter(|(name, _)| *name == header::WWW_AUTHENTICATE);
        told.any(|(_, value)| value.to_str().is_ok_and(|text| text.contains("\"invalid_token\"")))
    };
    if error.status() == StatusCode::FORBIDDEN {
        challenge.push_str(", error=\"insufficient_scope\"");
    } else if is_invalid() {
        challenge.push_str(", error=\"invalid_token\"");
    }
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => error
            .without_header(&header::WWW_AUTHENTICATE)
            .header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => error,
    }
}

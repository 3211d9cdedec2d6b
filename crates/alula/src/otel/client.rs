//! How batches travel.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::redirect::Policy;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::runtime::Handle;
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

use super::telemetry::{Error, failed};

/// How long the collector may take for a batch.
const EXPORT_TIME: Duration = Duration::from_secs(10);

/// The largest answer of a collector that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends for the exporters, which wait on threads of their own.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Those threads have no runtime.
    runtime: Handle,
}

impl Client {
    pub(super) fn new() -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(failed)?
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A header for the collector is not for another host.
            .redirect(Policy::none())
            .connect_timeout(EXPORT_TIME)
            .timeout(EXPORT_TIME)
            .build()
            .map_err(failed)?;
        let runtime = Handle::try_current().map_err(failed)?;
        Ok(Self { http, runtime })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = send(self.http.clone(), request);
        // What the client logs about a batch is not to be in the next one.
        self.runtime.spawn(sent.with_subscriber(NoSubscriber::new())).await?
    }
}

async fn send(
    http: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut response = http.execute(request.try_into()?).await?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    *answer.body_mut() = body.into();
    Ok(answer)
}

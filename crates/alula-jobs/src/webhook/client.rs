//! The client that webhooks are sent by.

use std::{fmt, sync::Arc, time::Duration};

use ipnet::IpNet;
use reqwest::{Client, dns::Resolve, redirect::Policy};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::sync::Semaphore;

use super::{
    AddressPolicy, Signer, SigningSecret, UrlError, WebhookUrl,
    connect::{Filtered, System},
};

/// How long an attempt may take: the least that the specification advises.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How many attempts may be on their way at once.
const CONCURRENT_MAX: usize = 32;
/// What is read of an answer.
const RESPONSE_BYTES_MAX: usize = 64 << 10;

/// Sends webhooks, only to addresses that may be called. Clones share their connections.
///
/// It follows no redirect and uses no proxy, whatever the environment says.
///
/// ```
/// use alula_jobs::webhook::WebhookClient;
///
/// let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?];
/// let client = WebhookClient::builder(secrets).allow_private(["10.1.0.0/16".parse()?]).build()?;
/// assert!(client.parse_url("https://10.1.0.1/hooks").is_ok());
/// assert!(client.parse_url("https://10.2.0.1/hooks").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WebhookClient {
    pub(super) http: Client,
    pub(super) signer: Signer,
    pub(super) policy: AddressPolicy,
    pub(super) places: Arc<Semaphore>,
    pub(super) response_bytes_max: usize,
}

/// Makes a [`WebhookClient`].
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::webhook::WebhookClient;
///
/// let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?];
/// let client = WebhookClient::builder(secrets).timeout(Duration::from_secs(30)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it makes nothing until `build`"]
pub struct WebhookClientBuilder {
    signer: Signer,
    policy: AddressPolicy,
    timeout: Duration,
    concurrent_max: usize,
    response_bytes_max: usize,
    names: Arc<dyn Resolve>,
}

/// Why there can be no [`WebhookClient`].
///
/// ```
/// use alula_jobs::webhook::{ClientError, WebhookClient};
///
/// let error = WebhookClient::builder([]).build().unwrap_err();
/// assert!(matches!(error, ClientError::NoSecret));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is nothing to sign with.
    #[error("webhooks are signed, so there must be a secret")]
    NoSecret,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl WebhookClient {
    /// Starts with the secrets to sign with: the new one first, and with it the one that receivers
    /// still have.
    pub fn builder(secrets: impl IntoIterator<Item = SigningSecret>) -> WebhookClientBuilder {
        WebhookClientBuilder {
            signer: Signer::new(secrets),
            policy: AddressPolicy::default(),
            timeout: TIMEOUT,
            concurrent_max: CONCURRENT_MAX,
            response_bytes_max: RESPONSE_BYTES_MAX,
            names: Arc::new(System),
        }
    }

    /// Reads an address that a user wrote; see [`WebhookUrl::parse`].
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse_url(&self, text: &str) -> Result<WebhookUrl, UrlError> {
        WebhookUrl::parse(text, &self.policy)
    }
}

impl WebhookClientBuilder {
    /// Allows the addresses of these networks, too; see [`AddressPolicy::allow_private`].
    pub fn allow_private(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.policy = self.policy.allow_private(networks);
        self
    }

    /// Sets how long an attempt may take, from looking up the name to the end of the answer. 15 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many attempts may be on their way at once; others wait. 32.
    pub fn concurrent_max(mut self, concurrent_max: usize) -> Self {
        self.concurrent_max = concurrent_max.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how much of an answer is read, so that its connection ends well. 64 KiB.
    pub fn response_bytes_max(mut self, response_bytes_max: usize) -> Self {
        self.response_bytes_max = response_bytes_max;
        self
    }

    /// Looks names up here rather than by the system. What it finds is judged like anything else.
    pub fn resolver(mut self, names: impl Resolve + 'static) -> Self {
        self.names = Arc::new(names);
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    ///
    /// If there is no secret, or TLS cannot be set up.
    pub fn build(self) -> Result<WebhookClient, ClientError> {
        if self.signer.len() == 0 {
            return Err(ClientError::NoSecret);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(rustls::ConfigBuilder::with_platform_verifier)?
            .with_no_client_auth();
        let http = Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .dns_resolver(Filtered { names: self.names, policy: self.policy.clone() })
            .timeout(self.timeout)
            // A receiver hears from us once in a while: nothing is gained by an open connection.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("alula-jobs/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(WebhookClient {
            http,
            signer: self.signer,
            policy: self.policy,
            places: Arc::new(Semaphore::new(self.concurrent_max)),
            response_bytes_max: self.response_bytes_max,
        })
    }
}

impl fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookClient").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookClientBuilder")
            .field("policy", &self.policy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

//! How connections are encrypted.

use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;

use super::config_error;
use crate::Result;

/// TLS by rustls on ring, with the platform's certificates, which are read now.
pub(crate) fn tls_config() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| config_error("TLS cannot be set up", error))?;
    Ok(builder.with_no_client_auth())
}

/// The same for calls of either version of HTTP.
pub(super) fn tls_of_calls() -> Result<rustls::ClientConfig> {
    let mut tls = tls_config()?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

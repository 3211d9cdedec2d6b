//! HTTPS, by rustls.

mod certificate;
mod error;
mod handshake;

use std::{fmt, path::Path, sync::Arc};

use rustls::{ServerConfig, crypto::ring};
use tokio_rustls::TlsAcceptor;

use self::certificate::Certificate;
pub use self::error::TlsError;
pub(super) use self::handshake::Handshakes;

/// The certificate of a server, and how it speaks TLS; clones are the same.
///
/// It speaks TLS 1.2 and 1.3 with the ciphers that rustls holds for good, and offers HTTP/2 and
/// HTTP/1.1 (`ALPN`). A handshake has the time of
/// [`Limits::header_read`](super::Limits#structfield.header_read), counts as a connection, and
/// keeps nobody else waiting.
///
/// A certificate that was renewed is read by [`reload`](Self::reload), or at SIGHUP, without an
/// end to any connection.
///
/// ```no_run
/// use alula::{App, serve::Tls};
///
/// # async fn example(app: App) -> alula::Result<()> {
/// let tls = Tls::from_pem_files("fullchain.pem", "privkey.pem")?;
/// app.tls(tls).serve("0.0.0.0:443").await
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// TLS with a certificate and its private key from two files in PEM.
    ///
    /// The first file has the certificate of the server, and those between it and the root, in
    /// this order; certbot calls it `fullchain.pem`. The second one has the key, as PKCS#8, PKCS#1
    /// or SEC1, not encrypted.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or has not what it should have, or the key is of another
    /// certificate.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Certificate::from_files(certificate.as_ref(), key.as_ref()).and_then(Self::new)
    }

    /// The same from memory. There is nothing to [`reload`](Self::reload) then.
    ///
    /// # Errors
    ///
    /// If there is no certificate or key in it, or the key is of another certificate.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Certificate::from_memory(certificate, key).and_then(Self::new)
    }

    fn new(certificate: Certificate) -> Result<Self, TlsError> {
        let certificate = Arc::new(certificate);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::of_rustls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// Reads the files again. New connections get the new certificate; open ones go on.
    ///
    /// # Errors
    ///
    /// As [`from_pem_files`](Self::from_pem_files); the old certificate stays then.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.certificate.reload()
    }

    /// Reads the files again at each SIGHUP.
    #[cfg(unix)]
    pub(super) async fn reload_on_hangup(self) {
        use tokio::signal::unix::{SignalKind, signal};

        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::warn!(%error, "SIGHUP will not reload the certificate");
                return;
            }
        };
        while hangups.recv().await.is_some() {
            match self.reload() {
                Ok(()) => tracing::info!("certificate reloaded"),
                Err(error) => {
                    tracing::error!(%error, "certificate not reloaded; the old one stays");
                }
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

//! A certificate that can be replaced while it is in use.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::TlsError;

/// What is shown to clients, and where it came from.
#[derive(Debug)]
pub(super) struct Certificate {
    files: Option<Files>,
    current: RwLock<Arc<CertifiedKey>>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|error| TlsError::unreadable(path, &error));
        parse(&read(&self.certificate)?, &read(&self.key)?, Some(self))
    }
}

impl Certificate {
    pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let current = RwLock::new(files.read()?);
        Ok(Self { files: Some(files), current })
    }

    pub(super) fn from_memory(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { files: None, current: RwLock::new(parse(certificate, key, None)?) })
    }

    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let new = self.files.as_ref().ok_or_else(TlsError::nothing_to_reload)?.read()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn parse(
    certificate: &[u8],
    key: &[u8],
    files: Option<&Files>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let (certificate_file, key_file) =
        (files.map(|files| &*files.certificate), files.map(|files| &*files.key));
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::unusable("certificate", certificate_file, error))?;
    if chain.is_empty() {
        let why = "there is no section `CERTIFICATE` of PEM";
        return Err(TlsError::unusable("certificate", certificate_file, why));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| TlsError::unusable("private key", key_file, error))?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    Ok(Arc::new(certified.map_err(TlsError::of_rustls)?))
}

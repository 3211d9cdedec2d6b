//! What can be wrong with a certificate.

use std::{fmt, io, path::Path};

/// Why a certificate or its key cannot be used.
#[derive(Debug)]
pub struct TlsError {
    message: String,
}

impl TlsError {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self { message: format!("cannot read {}: {error}", path.display()) }
    }

    /// `where_from` is a file, if there is one.
    pub(super) fn unusable(what: &str, where_from: Option<&Path>, why: impl fmt::Display) -> Self {
        let place = where_from.map(|path| format!(" in {}", path.display())).unwrap_or_default();
        Self { message: format!("the {what}{place} cannot be used: {why}") }
    }

    pub(super) fn nothing_to_reload() -> Self {
        Self { message: "the certificate came from memory; there is no file to read again".into() }
    }

    pub(super) fn of_rustls(error: rustls::Error) -> Self {
        use rustls::{Error, InconsistentKeys};

        let message = match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                "the private key does not belong to the certificate".to_owned()
            }
            error => error.to_string(),
        };
        Self { message }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}

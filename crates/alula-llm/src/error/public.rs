//! What a server that called a provider tells its own client about a failure.

use std::borrow::Cow;

use super::{Error, ErrorKind, Phase};

impl Error {
    /// The HTTP status with which a server answers its own client.
    ///
    /// A provider that refuses the server's account is the server's trouble (502). The same
    /// kinds without a [provider](Self::provider) are about the client's account with the
    /// server itself: 401 and 429.
    ///
    /// ```
    /// use alula_llm::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Auth, "no such key");
    /// assert_eq!(error.public_status(), 401);
    /// assert_eq!(error.with_provider("openai").public_status(), 502);
    /// ```
    pub fn public_status(&self) -> u16 {
        match self.kind() {
            ErrorKind::InvalidRequest
            | ErrorKind::ContextTooLong
            | ErrorKind::ContentFiltered
            | ErrorKind::Unsupported => 400,
            ErrorKind::Auth if self.provider().is_none() => 401,
            ErrorKind::NotFound => 404,
            ErrorKind::QuotaExceeded if self.provider().is_none() => 429,
            ErrorKind::RateLimited { .. } => 429,
            ErrorKind::Overloaded { .. } => 503,
            ErrorKind::Timeout { .. } => 504,
            ErrorKind::Connect
            | ErrorKind::Unavailable
            | ErrorKind::Auth
            | ErrorKind::QuotaExceeded
            | ErrorKind::Stream { .. }
            | ErrorKind::Decode
            | ErrorKind::TooLarge => 502,
            ErrorKind::Config => 500,
        }
    }

    /// What the client may read: its own mistakes in the provider's words, the server's trouble
    /// with the provider without details.
    pub fn public_message(&self) -> Cow<'_, str> {
        let provider = self.provider();
        let name = provider.unwrap_or("the provider");
        let about_provider = match self.kind() {
            ErrorKind::InvalidRequest
            | ErrorKind::ContextTooLong
            | ErrorKind::ContentFiltered
            | ErrorKind::NotFound => return self.message().into(),
            ErrorKind::Unsupported => return format!("{name}: {}", self.message()).into(),
            ErrorKind::RateLimited { .. }
            | ErrorKind::Overloaded { .. }
            | ErrorKind::Auth
            | ErrorKind::QuotaExceeded
                if provider.is_none() =>
            {
                return self.message().into();
            }
            ErrorKind::RateLimited { .. } => "is over its rate limit",
            ErrorKind::Overloaded { .. } => "is overloaded",
            ErrorKind::Timeout { phase: Phase::FirstToken } => "sent no first token in time",
            ErrorKind::Timeout { .. } => "did not answer in time",
            ErrorKind::Connect | ErrorKind::Unavailable => "cannot be reached",
            ErrorKind::Auth | ErrorKind::QuotaExceeded => "refuses this server's account",
            ErrorKind::Stream { .. } | ErrorKind::Decode | ErrorKind::TooLarge => {
                "broke off or sent an answer nobody understands"
            }
            ErrorKind::Config => return "Internal Server Error".into(),
        };
        format!("{name} {about_provider}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_a_provider_is_told_without_details() {
        let secret = |kind| Error::new(kind, "key sk-secret is wrong").with_provider("openai");
        for kind in [ErrorKind::Auth, ErrorKind::QuotaExceeded, ErrorKind::Connect] {
            let error = secret(kind);
            assert_eq!(error.public_status(), 502);
            assert!(!error.public_message().contains("secret"));
        }
        assert_eq!(secret(ErrorKind::Config).public_message(), "Internal Server Error");
        let timeout = secret(ErrorKind::Timeout { phase: Phase::FirstToken });
        assert_eq!(timeout.public_message(), "openai sent no first token in time");
    }

    #[test]
    fn a_mistake_of_the_client_is_told_in_full() {
        let error = Error::new(ErrorKind::InvalidRequest, "no such field").with_provider("openai");
        assert_eq!((error.public_status(), &*error.public_message()), (400, "no such field"));
        let error = Error::new(ErrorKind::RateLimited { retry_after: None }, "60 a minute");
        assert_eq!((error.public_status(), &*error.public_message()), (429, "60 a minute"));
    }
}

//! Signatures that a receiver can check.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// The shortest and the longest secret, in bytes.
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;

/// A secret that the sender and a receiver share, which no log can show.
///
/// Its text is `whsec_` and the base64 of 24 to 64 random bytes.
///
/// ```
/// use alula_jobs::webhook::SigningSecret;
///
/// let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// assert_eq!(format!("{secret:?}"), "SigningSecret(***)");
/// # Ok::<(), alula_jobs::webhook::SigningSecretError>(())
/// ```
#[derive(Clone)]
pub struct SigningSecret(hmac::Key);

/// Why a text is no [`SigningSecret`]. It does not repeat the text.
///
/// ```
/// use alula_jobs::webhook::{SigningSecret, SigningSecretError};
///
/// let short = "whsec_c2hvcnQ=".parse::<SigningSecret>();
/// assert_eq!(short.unwrap_err(), SigningSecretError::Length(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningSecretError {
    /// It does not begin with `whsec_`.
    #[error("a secret begins with {PREFIX}")]
    Prefix,
    /// What follows is no base64.
    #[error("what follows {PREFIX} is no base64")]
    Base64,
    /// It has too few or too many bytes.
    #[error("it has {0} bytes, and must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}")]
    Length(usize),
}

impl FromStr for SigningSecret {
    type Err = SigningSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let base64 = text.strip_prefix(PREFIX).ok_or(SigningSecretError::Prefix)?;
        let bytes = BASE64_STANDARD.decode(base64).map_err(|_| SigningSecretError::Base64)?;
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            return Err(SigningSecretError::Length(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

/// Signs messages with one secret, or with several while receivers change to a new one.
///
/// ```
/// use alula_jobs::webhook::Signer;
///
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let signature = Signer::new([secret]).sign("msg_1", 1_614_265_330, b"{}");
/// assert!(signature.starts_with("v1,"));
/// # Ok::<(), alula_jobs::webhook::SigningSecretError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Signer(Vec<SigningSecret>);

impl Signer {
    /// Signs with each of these secrets.
    pub fn new(secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// How many secrets it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of `webhook-signature`: a signature by each secret. `timestamp` is in seconds since
    /// 1970.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signature = |SigningSecret(key): &SigningSecret| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        };
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: usize) -> Result<SigningSecret, SigningSecretError> {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(vec![7; bytes])).parse()
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        assert!(parsed(24).is_ok() && parsed(64).is_ok());
        assert_eq!(parsed(23).unwrap_err(), SigningSecretError::Length(23));
        assert_eq!(parsed(65).unwrap_err(), SigningSecretError::Length(65));
    }

    #[test]
    fn a_mistake_does_not_repeat_the_secret() {
        for (text, expected) in
            [("canary", SigningSecretError::Prefix), ("whsec_canary!", SigningSecretError::Base64)]
        {
            let error = text.parse::<SigningSecret>().unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("canary"));
        }
    }

    /// The example of the specification's own tests.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = Signer::new([secret]).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

//! Tokens that an authorization server has given out.

use std::time::SystemTime;

use http::{HeaderValue, Uri, header};

use super::access::Access;
use crate::error::{HttpError, Result};

/// What a token says that is genuine; see [`App::mcp_tokens`](crate::App::mcp_tokens).
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use alula::mcp::VerifiedToken;
///
/// let token = VerifiedToken::new("ada")
///     .audience("https://api.example.com/mcp")
///     .scopes(["docs:read"])
///     .expires_at(SystemTime::now() + Duration::from_secs(600));
/// assert!(token.has_scope("docs:read"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct VerifiedToken {
    subject: String,
    audiences: Vec<String>,
    scopes: Vec<String>,
    expires_at: Option<SystemTime>,
}

impl VerifiedToken {
    /// A token of somebody, such as its `sub`.
    pub fn new(subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { subject, audiences: Vec::new(), scopes: Vec::new(), expires_at: None }
    }

    /// Adds a resource that it was given out for: each of its `aud`. One without any is refused.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Adds what it allows, such as the parts of its `scope`.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// When it ends, such as its `exp`; never, if nothing is said.
    pub fn expires_at(mut self, end: SystemTime) -> Self {
        self.expires_at = Some(end);
        self
    }

    /// Whose it is.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether it allows this.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// What its holder sees.
    pub(super) fn access(&self) -> Access {
        Access::scopes(self.scopes.iter().cloned()).owner(self.subject.clone())
    }

    /// Whether it was given out for this resource, and has not ended.
    pub(super) fn check(&self, resource: &str, now: SystemTime) -> Result<()> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid("The token has expired"));
        }
        if !self.audiences.iter().any(|audience| is_same(audience, resource)) {
            tracing::warn!(
                audiences = ?self.audiences,
                resource,
                "a token that is for another resource was refused by MCP"
            );
            return Err(invalid("The token is for another resource"));
        }
        Ok(())
    }
}

fn invalid(detail: &str) -> HttpError {
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    HttpError::new(401, detail).header(header::WWW_AUTHENTICATE, challenge)
}

/// Whether two texts name the same resource: a scheme and a host are the same in capitals, and
/// nobody means anything by a last slash.
fn is_same(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?.as_str().to_ascii_lowercase();
        let path = uri.path().trim_end_matches('/').to_owned();
        Some((scheme, authority, path, uri.query().map(str::to_owned)))
    };
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RESOURCE: &str = "https://api.example.com/mcp";

    fn refused(token: &VerifiedToken) -> Option<String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        token.check(RESOURCE, now).err().map(|error| error.message())
    }

    #[test]
    fn a_token_is_for_its_resource_alone() {
        let of = |audience: &str| VerifiedToken::new("ada").audience(audience);
        for same in [RESOURCE, "HTTPS://API.example.com/mcp/"] {
            assert_eq!(refused(&of(same)), None, "{same}");
        }
        for other in [
            "https://api.example.com",
            "https://api.example.com/MCP",
            "https://api.example.com/mcp/admin",
            "https://api.example.com:8443/mcp",
            "http://api.example.com/mcp",
            "https://evil.example/mcp",
            "api.example.com/mcp",
            "mcp",
        ] {
            assert!(refused(&of(other)).is_some_and(|told| told.contains("another")), "{other}");
        }
        assert!(refused(&VerifiedToken::new("ada")).is_some(), "without any");
        assert_eq!(refused(&of("https://evil.example").audience(RESOURCE)), None);
    }

    #[test]
    fn a_token_ends() {
        let ends = |seconds: u64| {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            refused(&VerifiedToken::new("ada").audience(RESOURCE).expires_at(end))
        };
        assert_eq!(ends(1_001), None);
        assert_eq!(ends(1_000).as_deref(), Some("The token has expired"));
    }
}

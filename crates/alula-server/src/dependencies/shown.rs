//! What a request shows to say who makes it.

use alula::{
    ApiError as _, Credential, Input, Operation, Rejection, RequestContext, Result, SecurityScheme,
    Stage,
    http::{HeaderMap, HeaderName, header},
};
use serde_json::json;

use crate::services::keys::{KeyId, Refusal, ShownKey};

const BEARER: &str = "bearer ";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A key, by `Authorization: Bearer` or by `x-api-key`. The key itself is not kept.
///
/// It may be missing: without keys none is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    /// Something that cannot be a key of this server, such as one of a provider.
    Other,
    Key(ShownKey),
}

impl Shown {
    pub(crate) fn id(self) -> Option<KeyId> {
        match self {
            Self::Key(key) => Some(key.id),
            Self::Nothing | Self::Other => None,
        }
    }

    fn in_headers(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_at_checked(BEARER.len())?;
            scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim())
        });
        // Some clients send both, one of them with nothing of use.
        let mut texts = [bearer, text(API_KEY)].into_iter().flatten();
        let mut found = Self::Nothing;
        texts
            .find_map(|text| {
                if !text.is_empty() {
                    found = Self::Other;
                }
                ShownKey::parse(text)
            })
            .map_or(found, Self::Key)
    }
}

impl Credential for Shown {
    fn schemes() -> Vec<SecurityScheme> {
        let bearer = json!({
            "type": "http",
            "scheme": "bearer",
            "description": "A key of this server, which begins with `sk-alula-`. As long as none \
                            was made, none is needed.",
        });
        let header = json!({
            "type": "apiKey",
            "in": "header",
            "name": "x-api-key",
            "description": "The same, as clients of Anthropic send it.",
        });
        vec![
            SecurityScheme::new("Bearer", bearer, "Bearer"),
            SecurityScheme::new("XApiKey", header, "Bearer"),
        ]
    }

    fn find(cx: &RequestContext) -> Result<Option<Self>> {
        Ok(Some(Self::in_headers(cx.headers())))
    }
}

impl Input for Shown {
    type Plan = ();
    const STAGE: Stage = Stage::Dependency;

    fn plan(operation: &mut Operation<'_>) {
        let _ = operation.credential::<Self>();
        for (example, description) in [
            (Refusal::Missing, "There is no key."),
            (Refusal::Unknown, "The key is unknown, expired or revoked."),
            (Refusal::Scope("…".into()), "The key has not the scope for this."),
        ] {
            operation.error(&example.into_http(), description);
        }
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self::in_headers(cx.headers()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::keys::NewKey;

    fn shown(headers: &[(&str, &str)]) -> Shown {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        };
        Shown::in_headers(&headers.iter().map(pair).collect())
    }

    #[test]
    fn a_key_is_found_wherever_clients_send_it() {
        let made = NewKey::generate().unwrap();
        let key = made.text.expose().as_str();
        let good = Shown::Key(ShownKey { id: made.id, hash: made.hash });
        for scheme in ["Bearer", "bearer", "BEARER "] {
            assert_eq!(shown(&[("authorization", &format!("{scheme} {key}"))]), good, "{scheme}");
        }
        assert_eq!(shown(&[("x-api-key", key)]), good);
        assert_eq!(shown(&[("authorization", "Bearer unused"), ("x-api-key", key)]), good);
        assert_eq!(shown(&[]), Shown::Nothing);
        assert_eq!(shown(&[("authorization", "Bearer ")]), Shown::Nothing);
        assert_eq!(shown(&[("authorization", &format!("Basic {key}"))]), Shown::Nothing);
        assert_eq!(shown(&[("x-api-key", "sk-proj-1")]), Shown::Other);
        assert_eq!(shown(&[("authorization", "Bearer é")]), Shown::Nothing);
    }
}

//! Who may call an operation: its credentials and its scopes.

use std::sync::Arc;

use http::HeaderValue;
use serde_json::{Map, Value};

use super::operation::Operation;
use crate::input::{Challenge, Credential, DemandedScopes, SecurityScheme};

/// The most combinations of credentials that an operation may be called with. Alternatives
/// multiply, and each combination is written out.
const COMBINATIONS_MAX: usize = 64;

impl Operation<'_> {
    /// Describes a credential that is needed, together with those of all other inputs. What comes
    /// back is asked for the credential of a request.
    pub fn credential<C: Credential>(&mut self) -> Challenge {
        let schemes = C::schemes();
        let mut challenges = Vec::new();
        for scheme in &schemes {
            match HeaderValue::from_str(&scheme.challenge) {
                Ok(challenge) if !challenges.contains(&challenge) => challenges.push(challenge),
                Ok(_) => {}
                Err(_) => self.mistake(format!(
                    "the challenge `{}` of a credential is no header",
                    scheme.challenge.escape_debug()
                )),
            }
        }
        self.security(schemes, Presence::Required);
        Challenge::new(challenges)
    }

    /// Describes a credential by schemes of which any one is enough.
    pub(crate) fn security(&mut self, schemes: Vec<SecurityScheme>, presence: Presence) {
        self.needs_request("a credential");
        let names = schemes.iter().map(|scheme| scheme.name.clone()).collect();
        for scheme in schemes {
            if let Err(mistake) = self.plan.security_schemes.add(scheme) {
                self.mistake(mistake);
            }
        }
        self.security.credential(names, presence);
        if presence == Presence::Required {
            self.failure(401, "Not authenticated");
        }
    }

    /// Demands scopes of the caller.
    pub(crate) fn demand<S: AsRef<str>>(&mut self, scopes: impl IntoIterator<Item = S>) {
        for scope in scopes {
            self.needs_request("what its caller may do");
            if let Err(mistake) = self.security.demand(scope.as_ref()) {
                self.mistake(mistake);
            }
        }
    }

    /// The scopes that will have been demanded when all of the operation is planned.
    pub(crate) fn demanded_scopes(&mut self) -> DemandedScopes {
        self.needs_request("what its caller may do");
        self.security.demanded()
    }
}

/// Whether credentials must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// The schemes of an application by name.
#[derive(Debug, Default)]
pub(crate) struct Schemes(Map<String, Value>);

impl Schemes {
    /// Adds a scheme.
    ///
    /// # Errors
    ///
    /// If the document cannot call it so.
    pub(crate) fn add(&mut self, scheme: SecurityScheme) -> Result<(), String> {
        let SecurityScheme { name, object, .. } = scheme;
        let allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(format!(
                "a security scheme cannot be called `{name}`; use letters, digits, `.`, `_` and `-`"
            ));
        }
        match self.0.get(&name) {
            Some(known) if *known != object => {
                Err(format!("two security schemes are called `{name}`; give one another name"))
            }
            Some(_) => Ok(()),
            None => {
                self.0.insert(name, object);
                Ok(())
            }
        }
    }

    pub(crate) fn into_objects(self) -> Map<String, Value> {
        self.0
    }

    fn kind(&self, name: &str) -> &str {
        self.0.get(name).and_then(|scheme| scheme["type"].as_str()).unwrap_or_default()
    }

    /// Whether the flows of a scheme offer a scope; other schemes do not list theirs.
    fn offers(&self, name: &str, scope: &str) -> bool {
        let flows = self.0.get(name).and_then(|scheme| scheme.get("flows")?.as_object());
        let has_scope = |flow: &Value| flow["scopes"].get(scope).is_some();
        flows.is_none_or(|flows| flows.values().any(has_scope))
    }
}

/// The names of schemes that are needed together.
type Combination = Vec<String>;

/// The credentials and the scopes of one operation.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// For each credential the schemes of which one is enough; none of them for one that may be
    /// missing.
    credentials: Vec<Vec<Option<String>>>,
    scopes: Vec<String>,
    demanded: DemandedScopes,
    /// Whether an input reads the scopes, so as to check them.
    are_scopes_read: bool,
}

impl Security {
    /// The security of what takes the place of a dependency.
    pub(super) fn for_replacement(&self) -> Self {
        Self { demanded: self.demanded.clone(), ..Self::default() }
    }

    /// Adds a credential that any one of the schemes is enough for.
    pub(super) fn credential(&mut self, schemes: Vec<String>, presence: Presence) {
        let missing = (presence == Presence::Optional).then_some(None);
        let credential = missing.into_iter().chain(schemes.into_iter().map(Some)).collect();
        if !self.credentials.contains(&credential) {
            self.credentials.push(credential);
        }
    }

    /// Adds a scope.
    ///
    /// # Errors
    ///
    /// If it is none in OAuth 2.0, and could not be in a header.
    pub(super) fn demand(&mut self, scope: &str) -> Result<(), String> {
        let allowed = |letter: u8| letter.is_ascii_graphic() && !b"\"\\".contains(&letter);
        if scope.is_empty() || !scope.bytes().all(allowed) {
            let scope = scope.escape_debug();
            return Err(format!(
                "`{scope}` is not a scope: it has no spaces, quotes or backslashes"
            ));
        }
        if !self.scopes.iter().any(|known| known == scope) {
            self.scopes.push(scope.to_owned());
        }
        Ok(())
    }

    pub(super) fn demanded(&mut self) -> DemandedScopes {
        self.are_scopes_read = true;
        self.demanded.clone()
    }

    /// The security requirements for the document, and what is wrong.
    pub(super) fn finish(self, schemes: &Schemes) -> (Vec<Value>, Vec<String>) {
        let mut mistakes = Vec::new();
        if !self.scopes.is_empty() && !self.are_scopes_read {
            mistakes.push(format!(
                "it demands the scopes `{}`, but none of its inputs reads `SecurityScopes` to \
                 check them",
                self.scopes.join(" ")
            ));
        }
        let combinations = combinations(&self.credentials);
        if combinations.is_none() {
            mistakes.push(format!(
                "its credentials can be combined in more than {COMBINATIONS_MAX} ways"
            ));
        }
        let combinations = combinations.unwrap_or_default();
        for name in combinations.iter().flatten() {
            let missing = |scope: &&String| !schemes.offers(name, scope);
            if let Some(scope) = self.scopes.iter().find(missing) {
                mistakes.push(format!("it demands the scope `{scope}`, which `{name}` has not"));
            }
        }
        let requirement = |names: &Combination| requirement(names, schemes, &self.scopes);
        let requirements = combinations.iter().map(requirement).collect();
        // Nobody else sets it: one operation has it and is finished once.
        let _ = self.demanded.set(Arc::from(self.scopes));
        mistakes.dedup();
        (requirements, mistakes)
    }
}

/// Every way to have one scheme of each credential; `None` if there are too many.
fn combinations(credentials: &[Vec<Option<String>>]) -> Option<Vec<Combination>> {
    if credentials.is_empty() {
        return Some(Vec::new());
    }
    let mut combinations = vec![Combination::new()];
    for credential in credentials {
        let with = |known: &Combination| {
            let mut more = Vec::new();
            for scheme in credential {
                let mut names = known.clone();
                names.extend(scheme.iter().filter(|name| !known.contains(name)).cloned());
                more.push(names);
            }
            more
        };
        let mut next: Vec<Combination> = Vec::new();
        for names in combinations.iter().flat_map(with) {
            let is_same = |known: &Combination| {
                known.len() == names.len() && known.iter().all(|name| names.contains(name))
            };
            if !next.iter().any(is_same) {
                next.push(names);
            }
        }
        combinations = next;
        if combinations.len() > COMBINATIONS_MAX {
            return None;
        }
    }
    Some(combinations)
}

/// One requirement object: all of its schemes are needed.
///
/// Scopes stand with the schemes that hand them out, and else, as the roles of OpenAPI 3.1, with
/// all.
fn requirement(names: &Combination, schemes: &Schemes, scopes: &[String]) -> Value {
    let has_scopes = |name: &str| matches!(schemes.kind(name), "oauth2" | "openIdConnect");
    let any_has = names.iter().any(|name| has_scopes(name));
    let entry = |name: &String| {
        let own = if any_has && !has_scopes(name) { &[] } else { scopes };
        (name.clone(), own.into())
    };
    Value::Object(names.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemes() -> Schemes {
        let mut schemes = Schemes::default();
        let flows = json!({"password": {"tokenUrl": "t", "scopes": {"a": "A", "b": "B"}}});
        let oauth = json!({"type": "oauth2", "flows": flows});
        for (name, object) in [("O", oauth), ("K", json!({"type": "apiKey"}))] {
            schemes.add(SecurityScheme::new(name, object, "")).unwrap();
        }
        schemes
    }

    fn finish(credentials: &[(&[&str], Presence)], scopes: &[&str]) -> (Value, Vec<String>) {
        let mut security = Security::default();
        for (names, presence) in credentials {
            security.credential(names.iter().map(|name| (*name).to_owned()).collect(), *presence);
        }
        scopes.iter().for_each(|scope| security.demand(scope).unwrap());
        let _ = security.demanded();
        let (requirements, mistakes) = security.finish(&schemes());
        (requirements.into(), mistakes)
    }

    #[test]
    fn credentials_multiply_and_alternatives_add() {
        use Presence::{Optional, Required};
        for (credentials, expected) in [
            (&[] as &[(&[&str], Presence)], json!([])),
            (&[(&["O"], Required), (&["K"], Required)], json!([{"O": [], "K": []}])),
            (&[(&["O", "K"], Required)], json!([{"O": []}, {"K": []}])),
            (&[(&["O"], Required), (&["K"], Optional)], json!([{"O": []}, {"O": [], "K": []}])),
            (&[(&["O"], Optional)], json!([{}, {"O": []}])),
            // Who must show it anyway does not have the choice.
            (&[(&["O"], Optional), (&["O"], Required)], json!([{"O": []}])),
            (
                &[(&["O", "K"], Required), (&["K"], Required)],
                json!([{"O": [], "K": []}, {"K": []}]),
            ),
        ] {
            assert_eq!(finish(credentials, &[]), (expected, Vec::new()), "{credentials:?}");
        }
    }

    #[test]
    fn scopes_stand_with_the_schemes_that_hand_them_out() {
        let both: &[(&[&str], Presence)] =
            &[(&["O"], Presence::Required), (&["K"], Presence::Required)];
        assert_eq!(finish(both, &["a", "b", "a"]).0, json!([{"O": ["a", "b"], "K": []}]));
        let key: &[(&[&str], Presence)] = &[(&["K"], Presence::Required)];
        assert_eq!(finish(key, &["any"]), (json!([{"K": ["any"]}]), Vec::new()));
        let mistakes = finish(both, &["c"]).1;
        assert_eq!(mistakes, ["it demands the scope `c`, which `O` has not"]);
    }

    #[test]
    fn too_many_combinations_are_a_mistake() {
        let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        let names: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let optional: Vec<(&[&str], Presence)> =
            names.iter().map(|name| (&name[..], Presence::Optional)).collect();
        assert!(finish(&optional[..6], &[]).1.is_empty());
        assert_eq!(finish(&optional, &[]).1.len(), 1);
    }

    #[test]
    fn what_is_no_scope_and_what_is_no_name_is_refused() {
        for scope in ["", "a b", "a\"", "a\\", "é", "a\n"] {
            assert!(Security::default().demand(scope).is_err(), "{scope:?}");
        }
        let scheme = |name, kind| SecurityScheme::new(name, json!({ "type": kind }), "");
        let mut schemes = Schemes::default();
        assert!(schemes.add(scheme("a b", "http")).is_err());
        assert!(schemes.add(scheme("a", "http")).is_ok());
        assert!(schemes.add(scheme("a", "http")).is_ok());
        assert!(schemes.add(scheme("a", "oauth2")).is_err());
    }
}

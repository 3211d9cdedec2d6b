//! What Swagger UI is told beside the document.

use serde_json::{Map, Value, json};

use super::policy;

/// Settings of the documentation page, given to [`App::docs`](crate::App::docs).
///
/// ```
/// use alula::{App, DocsSettings};
///
/// let docs = DocsSettings::new()
///     .persist_authorization()
///     .parameter("docExpansion", "none")
///     .client_id("docs")
///     .pkce();
/// let app = App::new("Shop", "1.0.0").docs(docs);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "give it to `App::docs`"]
pub struct DocsSettings {
    parameters: Map<String, Value>,
    oauth: Map<String, Value>,
    origins: Vec<String>,
    mistakes: Vec<String>,
}

impl DocsSettings {
    /// The settings that every page has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter of Swagger UI by its name there, such as `docExpansion`; FastAPI calls
    /// them `swagger_ui_parameters`. Only what JSON can say, so no functions.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Keeps keys and tokens in the browser over a reload of the page.
    pub fn persist_authorization(self) -> Self {
        self.parameter("persistAuthorization", true)
    }

    /// The client id that the login of OAuth 2.0 begins with.
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.oauth_parameter("clientId", id.into())
    }

    /// The scopes that are chosen to begin with.
    pub fn chosen_scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<Value> = scopes.into_iter().map(|scope| scope.into().into()).collect();
        self.oauth_parameter("scopes", scopes)
    }

    /// Uses PKCE (RFC 7636) in the authorization code flow, as a client without a secret should.
    pub fn pkce(self) -> Self {
        self.oauth_parameter("usePkceWithAuthorizationCodeGrant", true)
    }

    /// Sets a parameter of the login by its name in Swagger UI, such as `appName` or
    /// `additionalQueryStringParams`; FastAPI calls them `swagger_ui_init_oauth`. Everyone who
    /// sees the page can read it, so a secret does not belong here.
    pub fn oauth_parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.oauth.insert(name.into(), value.into());
        self
    }

    /// Lets the page talk to another origin, such as `https://oauth2.example`.
    ///
    /// The servers, token URLs and OpenID Connect URLs of the document are allowed already; this
    /// is for the token URL that only an OpenID Connect provider names. The other side has to
    /// allow it, too, by CORS.
    pub fn connect_to(mut self, origin: &str) -> Self {
        match policy::origin(origin) {
            Some(origin) => self.origins.push(origin),
            None => self.mistakes.push(format!(
                "`{origin}` (`DocsSettings::connect_to`) is no origin such as `https://id.example`"
            )),
        }
        self
    }

    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// What is wrong with the settings; the application does not start with any.
    pub(in crate::app) fn mistakes(&self) -> &[String] {
        &self.mistakes
    }

    /// What `start.js` reads.
    pub(super) fn to_json(&self) -> String {
        let mut settings = json!({ "parameters": self.parameters });
        if let (Some(settings), false) = (settings.as_object_mut(), self.oauth.is_empty()) {
            settings.insert("oauth".to_owned(), self.oauth.clone().into());
        }
        settings.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_what_swagger_ui_calls_them() {
        let settings = DocsSettings::new().parameter("docExpansion", "none");
        assert_eq!(settings.to_json(), r#"{"parameters":{"docExpansion":"none"}}"#);
        let settings = DocsSettings::new().persist_authorization().client_id("docs").pkce();
        let settings = settings.chosen_scopes(["a"]).oauth_parameter("appName", "Shop");
        assert_eq!(
            serde_json::from_str::<Value>(&settings.to_json()).unwrap(),
            json!({
                "parameters": {"persistAuthorization": true},
                "oauth": {
                    "clientId": "docs",
                    "usePkceWithAuthorizationCodeGrant": true,
                    "scopes": ["a"],
                    "appName": "Shop",
                },
            })
        );
    }

    #[test]
    fn what_is_no_origin_stops_the_start() {
        let docs = DocsSettings::new().connect_to("https://id.example/token").connect_to("*");
        assert_eq!(docs.origins(), ["https://id.example"]);
        let error = crate::App::new("Docs", "1.0.0").docs(docs).openapi().unwrap_err();
        assert!(error.to_string().contains("`*` (`DocsSettings::connect_to`) is no origin"));
    }
}

//! Logging in on the documentation page.

use std::{collections::BTreeMap, sync::OnceLock};

use alula::{
    Body, DocsSettings, OAuth2, OAuth2Bearer, OAuth2Scheme, StrictPasswordForm,
    http::Response,
    prelude::*,
    serve::{Limits, Server, Shutdown},
};
use axum::{
    extract::Request,
    middleware::{Next, from_fn},
};
use serde_json::{Value, json};

use super::browser::{chromium, open};
use crate::tool;

/// Runs with the page's own script, as the policy lets no other run. It does what a person would,
/// and leaves what came of it in the title.
const HELPERS: &str = include_str!("person.js");

/// Appends a driver to the script of the page.
fn driven(app: App, driver: &'static str) -> App {
    app.layer(from_fn(move |request: Request, next: Next| async move {
        let is_start = request.uri().path().ends_with("/start.js");
        let mut response = next.run(request).await;
        if is_start {
            let script = axum::body::to_bytes(std::mem::take(response.body_mut()), 1 << 20).await;
            let script = String::from_utf8(script.unwrap().to_vec()).unwrap();
            let script = format!(
                "{script}{HELPERS}(async () => {{ {driver} }})()\
                 .then(found => document.title = `found ${{found}}`)\
                 .catch(error => document.title = `failed ${{error}}`);"
            );
            *response.body_mut() = Body::from(script);
        }
        response
    }))
}

/// What the page did, in the words of [`driven`].
fn title(dom: &str) -> &str {
    let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map_or("", |(title, _)| title)
}

struct Login;

impl OAuth2Scheme for Login {
    fn oauth2() -> OAuth2 {
        OAuth2::password("/token").scope("items:read", "Read items.")
    }
}

#[post("/token", hidden)]
async fn token(form: StrictPasswordForm) -> Result<Json<Value>> {
    assert_eq!((&*form.username, &*form.password), ("ada", "lovelace"));
    assert_eq!(form.scopes, ["items:read"]);
    Ok(Json(json!({"access_token": "token-of-ada", "token_type": "bearer"})))
}

#[tokio::test]
async fn a_password_gets_a_token_that_is_sent_along() {
    /// Repeats the token.
    #[get("/me")]
    async fn me(token: OAuth2Bearer<Login>) -> Json<String> {
        Json(token.into_inner())
    }
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let docs = DocsSettings::new().chosen_scopes(["items:read"]);
    let app = App::new("Login", "1.0.0").docs(docs).routes(routes![me, token]);
    let driver = r##"
        await click(".btn.authorize");
        await type("#oauth_username", "ada");
        await type("#oauth_password", "lovelace");
        await click(".modal-ux button.authorize");
        await until(() => find(".modal-ux button", "Logout"));
        return await tryIt();
    "##;
    let (_, visit) = open(&chromium, driven(app, driver), "/docs").await;
    assert_eq!((title(&visit.dom), &visit.console[..]), ("found \"token-of-ada\"", &[][..]));
}

/// The origin of the authorization server, once it is bound.
static PROVIDER: OnceLock<String> = OnceLock::new();

struct Accounts;

impl OAuth2Scheme for Accounts {
    fn oauth2() -> OAuth2 {
        let at = PROVIDER.get().unwrap();
        OAuth2::authorization_code(&format!("{at}/authorize"), &format!("{at}/token"))
    }
}

/// Sends the browser back with a code; who asks has no password here.
#[get("/authorize")]
async fn authorize(Query(query): Query<BTreeMap<String, String>>) -> Response<Body> {
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "docs");
    assert_eq!(query["code_challenge_method"], "S256");
    let pairs = [("code", query["code_challenge"].as_str()), ("state", &query["state"])];
    let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let back = format!("{}?{pairs}", query["redirect_uri"]);
    Response::builder().status(303).header("location", back).body(Body::empty()).unwrap()
}

/// What the page sends for a token.
#[derive(Deserialize, JsonSchema, Validate)]
struct Exchange {
    grant_type: String,
    redirect_uri: String,
    code: String,
    code_verifier: String,
}

#[post("/token")]
async fn exchange(Form(form): Form<Exchange>) -> Response<Body> {
    assert_eq!(form.grant_type, "authorization_code");
    assert!(form.redirect_uri.ends_with("/docs/oauth2-redirect"));
    assert!(!form.code.is_empty() && form.code_verifier.len() >= 43);
    let body = json!({"access_token": "token-of-bob", "token_type": "bearer"}).to_string();
    let response = Response::builder().header("access-control-allow-origin", "*");
    response.header("content-type", "application/json").body(Body::from(body)).unwrap()
}

/// What a browser asks before it sends the form to another origin.
#[options("/token")]
async fn preflight() -> Response<Body> {
    let response = Response::builder().header("access-control-allow-origin", "*");
    response.header("access-control-allow-headers", "*").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_login_elsewhere_comes_back_with_a_code() {
    /// Repeats the token.
    #[get("/me")]
    async fn me(token: OAuth2Bearer<Accounts>) -> Json<String> {
        Json(token.into_inner())
    }
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    PROVIDER.set(format!("http://{}", server.local_addr())).unwrap();
    let shutdown = Shutdown::new();
    let provider = App::new("Provider", "1.0.0").routes(routes![authorize, exchange, preflight]);
    let providing = provider.serve_on(server, shutdown.clone());

    let docs = DocsSettings::new().client_id("docs").pkce();
    let app = App::new("Login", "1.0.0").docs(docs).routes(routes![me]);
    let driver = r#"
        await click(".btn.authorize");
        await click(".modal-ux button.authorize");
        await until(() => find(".modal-ux button", "Logout"));
        return await tryIt();
    "#;
    let visiting = async {
        let (_, visit) = open(&chromium, driven(app, driver), "/docs").await;
        shutdown.trigger();
        visit
    };
    let (provided, visit) = tokio::join!(providing, visiting);
    provided.unwrap();
    assert_eq!((title(&visit.dom), &visit.console[..]), ("found \"token-of-bob\"", &[][..]));
}

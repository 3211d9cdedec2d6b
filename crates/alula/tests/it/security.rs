//! Credentials: what FastAPI 0.165 answered to the same requests, and what the document says.

use alula::{
    ApiKeyLocation, KeyPlace, OAuth2, OAuth2Bearer, OAuth2Scheme, OpenIdConnect, OpenIdScheme,
    PasswordForm, Realm, SecurityScopes, StrictPasswordForm, prelude::*,
};
use serde_json::{Value, json};

struct Here;

impl Realm for Here {
    const REALM: &'static str = "the \"back\" office";
}

struct InQuery;

impl ApiKeyLocation for InQuery {
    const PLACE: KeyPlace = KeyPlace::Query;
    const NAME: &'static str = "key";
}

struct InCookie;

impl ApiKeyLocation for InCookie {
    const PLACE: KeyPlace = KeyPlace::Cookie;
    const NAME: &'static str = "kc";
}

struct Login;

impl OAuth2Scheme for Login {
    fn oauth2() -> OAuth2 {
        OAuth2::password("token").scope("items:read", "Read items").refresh_url("refresh")
    }
}

struct Accounts;

impl OAuth2Scheme for Accounts {
    fn oauth2() -> OAuth2 {
        OAuth2::authorization_code("https://a.example/authorize", "https://a.example/token")
            .scope("x", "X")
    }
}

struct Id;

impl OpenIdScheme for Id {
    const URL: &'static str = "https://a.example/.well-known/openid-configuration";
}

async fn basic(caller: Basic) -> Json<(String, String)> {
    Json((caller.user().to_owned(), caller.password().to_owned()))
}

async fn realm(_: Basic<Here>) {}

async fn optional(caller: Option<Basic>) -> Json<Option<String>> {
    Json(caller.map(|caller| caller.user().to_owned()))
}

async fn bearer(token: Bearer) -> Json<String> {
    Json(token.into_inner())
}

async fn optional_bearer(token: Option<Bearer>) -> Json<Option<String>> {
    Json(token.map(Bearer::into_inner))
}

async fn login(token: OAuth2Bearer<Login>) -> Json<String> {
    Json(token.into_inner())
}

async fn accounts(token: OAuth2Bearer<Accounts>) -> Json<String> {
    Json(token.into_inner())
}

async fn openid(token: OpenIdConnect<Id>) -> Json<String> {
    Json(token.into_inner())
}

async fn header_key(key: ApiKey) -> Json<String> {
    Json(key.into_inner())
}

async fn query_key(key: ApiKey<InQuery>) -> Json<String> {
    Json(key.into_inner())
}

async fn cookie_key(key: ApiKey<InCookie>) -> Json<String> {
    Json(key.into_inner())
}

async fn either(caller: Either<Bearer, Either<ApiKey, Basic>>) -> Json<String> {
    Json(match caller {
        Either::Left(token) => format!("token {}", token.as_str()),
        Either::Right(Either::Left(key)) => format!("key {}", key.as_str()),
        Either::Right(Either::Right(caller)) => format!("user {}", caller.user()),
    })
}

fn app() -> App {
    App::new("Security", "1.0.0").routes([
        get("/basic", basic),
        get("/realm", realm),
        get("/optional", optional),
        get("/bearer", bearer),
        get("/optional_bearer", optional_bearer),
        get("/login", login),
        get("/accounts", accounts),
        get("/openid", openid),
        get("/header", header_key),
        get("/query", query_key),
        get("/cookie", cookie_key),
        get("/either", either),
    ])
}

const REFUSED: &str = r#"{"detail":"Not authenticated"}"#;

#[tokio::test]
async fn who_shows_nothing_is_told_how_to() {
    let client = app().client().await;
    for (path, challenge) in [
        ("/basic", "Basic"),
        ("/realm", r#"Basic realm="the \"back\" office""#),
        ("/bearer", "Bearer"),
        ("/login", "Bearer"),
        ("/accounts", "Bearer"),
        ("/openid", "Bearer"),
        ("/header", "APIKey"),
        ("/query", "APIKey"),
        ("/query?key=", "APIKey"),
        ("/cookie", "APIKey"),
    ] {
        let response = client.get(path).await;
        assert_eq!((response.status().as_u16(), response.text()), (401, REFUSED), "{path}");
        assert_eq!(response.header("www-authenticate"), challenge, "{path}");
    }
    for path in ["/optional", "/optional_bearer"] {
        assert_eq!(client.get(path).await.text(), "null", "{path}");
    }
}

#[tokio::test]
async fn a_user_and_a_password_are_read_as_fastapi_reads_them() {
    let client = app().client().await;
    for (value, expected) in [
        ("Basic YTpiOmM=", Some(r#"["a","b:c"]"#)),
        ("basic YTpi", Some(r#"["a","b"]"#)),
        ("Basic  YTpi ", Some(r#"["a","b"]"#)),
        ("Basic Og==", Some(r#"["",""]"#)),
        ("Basic YToB", Some(r#"["a","\u0001"]"#)),
        // FastAPI refuses what is not ASCII; RFC 7617 does not.
        ("Basic w6k6w7w=", Some(r#"["é","ü"]"#)),
        ("Basic", None),
        ("Basic ", None),
        ("Basic !!!", None),
        ("Basic bm9jb2xvbg==", None),
        ("Basic 6Tp4", None),
        ("Basic YTpiYw=", None),
        ("Basic YWJjOmI", None),
        ("Bearer x", None),
    ] {
        let response = client.get("/basic").header("authorization", value).await;
        match expected {
            Some(expected) => assert_eq!(response.text(), expected, "{value}"),
            None => {
                assert_eq!(
                    (response.status().as_u16(), response.text()),
                    (401, REFUSED),
                    "{value}"
                );
                assert_eq!(response.header("www-authenticate"), "Basic", "{value}");
            }
        }
        // What cannot be read is refused also where nothing is needed.
        let status = client.get("/optional").header("authorization", value).await.status();
        let is_broken = expected.is_none() && value.starts_with("Basic");
        assert_eq!(status, if is_broken { 401 } else { 200 }, "{value}");
    }
}

#[tokio::test]
async fn a_token_is_what_follows_bearer() {
    let client = app().client().await;
    for path in ["/bearer", "/login", "/accounts", "/openid", "/optional_bearer"] {
        for (value, expected) in [
            ("Bearer x", "\"x\""),
            ("Bearer  x ", "\"x\""),
            ("bearer x y", "\"x y\""),
            ("Bearer", REFUSED),
            ("Bearer ", REFUSED),
            ("Basic x", REFUSED),
            ("x", REFUSED),
            ("", REFUSED),
        ] {
            let response = client.get(path).header("authorization", value).await;
            let is_optional = path == "/optional_bearer" && expected == REFUSED;
            assert_eq!(
                response.text(),
                if is_optional { "null" } else { expected },
                "{path} {value}"
            );
        }
    }
}

#[tokio::test]
async fn keys_are_read_from_their_place() {
    let client = app().client().await;
    assert_eq!(client.get("/header").header("x-api-key", "a").await.text(), "\"a\"");
    assert_eq!(client.get("/query?key=a&key=b").await.text(), "\"b\"");
    assert_eq!(client.get("/cookie").header("cookie", "x=y; kc=a").await.text(), "\"a\"");
    // As `Cookie` reads it, and FastAPI.
    let twice = client.get("/cookie").header("cookie", "kc=a; kc=b").header("cookie", "kc=c");
    assert_eq!(twice.await.text(), "\"c\"");
    assert_eq!(client.get("/header").header("x-api-key", "").await.status(), 401);
}

#[tokio::test]
async fn either_of_several_credentials_is_enough() {
    let client = app().client().await;
    let ask = |headers: &[(&str, &str)]| {
        let request = client.get("/either");
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    assert_eq!(ask(&[("x-api-key", "k")]).await.text(), "\"key k\"");
    assert_eq!(ask(&[("authorization", "Basic YTpi")]).await.text(), "\"user a\"");
    let both = [("x-api-key", "k"), ("authorization", "Bearer t")];
    assert_eq!(ask(&both).await.text(), "\"token t\"");

    let refused = ask(&[]).await;
    let challenges = refused.headers().get_all("www-authenticate");
    assert_eq!(refused.status(), 401);
    assert!(challenges.iter().eq(["Bearer", "APIKey", "Basic"]), "{challenges:?}");
}

fn document(app: App) -> Value {
    app.openapi().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_schemes_are_fastapis() {
    let document = document(app());
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "HTTPBasic": {"type": "http", "scheme": "basic"},
            "HTTPBearer": {"type": "http", "scheme": "bearer"},
            "OAuth2PasswordBearer": {
                "type": "oauth2",
                "flows": {
                    "password": {
                        "tokenUrl": "token",
                        "refreshUrl": "refresh",
                        "scopes": {"items:read": "Read items"},
                    },
                },
            },
            "OAuth2AuthorizationCodeBearer": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "https://a.example/authorize",
                        "tokenUrl": "https://a.example/token",
                        "scopes": {"x": "X"},
                    },
                },
            },
            "OpenIdConnect": {
                "type": "openIdConnect",
                "openIdConnectUrl": "https://a.example/.well-known/openid-configuration",
            },
            "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "APIKeyQuery_key": {"type": "apiKey", "in": "query", "name": "key"},
            "APIKeyCookie_kc": {"type": "apiKey", "in": "cookie", "name": "kc"},
        })
    );
    let security = |path: &str| &document["paths"][path]["get"]["security"];
    assert_eq!(*security("/login"), json!([{"OAuth2PasswordBearer": []}]));
    assert_eq!(*security("/optional"), json!([{}, {"HTTPBasic": []}]));
    let either = json!([{"HTTPBearer": []}, {"APIKeyHeader": []}, {"HTTPBasic": []}]);
    assert_eq!(*security("/either"), either);
}

#[dependency]
async fn user(scopes: SecurityScopes, _token: OAuth2Bearer<Login>) -> Vec<String> {
    scopes.as_slice().to_vec()
}

#[dependency(scopes = ["me"])]
async fn active(user: Depends<user>) -> Vec<String> {
    user.to_vec()
}

#[get("/scoped", scopes = ["items:read"])]
async fn scoped(user: Depends<active>) -> Json<Vec<String>> {
    Json(user.to_vec())
}

#[get("/plain")]
async fn plain(user: Depends<user>) -> Json<Vec<String>> {
    Json(user.to_vec())
}

struct All;

impl OAuth2Scheme for All {
    fn oauth2() -> OAuth2 {
        let scopes = ["items:read", "me", "r"];
        scopes.iter().fold(OAuth2::password("token"), |all, scope| all.scope(scope, ""))
    }
}

#[tokio::test]
async fn scopes_come_from_routers_routes_and_dependencies() {
    #[dependency]
    async fn user(scopes: SecurityScopes, _token: OAuth2Bearer<All>) -> String {
        scopes.to_string()
    }
    #[dependency(scopes = ["me"])]
    async fn active(user: Depends<user>) -> String {
        user.to_string()
    }
    #[get("/scoped", scopes = ["items:read"])]
    async fn scoped(user: Depends<active>) -> Json<String> {
        Json(user.to_string())
    }
    #[get("/plain")]
    async fn plain(user: Depends<user>) -> Json<String> {
        Json(user.to_string())
    }
    let app = || {
        let router = Router::new().scopes(["r"]).prefix("/r").routes(routes![scoped]);
        App::new("Scopes", "1.0.0").include(router).routes(routes![scoped, plain])
    };
    let client = app().client().await;
    for (path, expected) in
        [("/scoped", "items:read me"), ("/r/scoped", "r items:read me"), ("/plain", "")]
    {
        let response = client.get(path).bearer("t").await;
        assert_eq!(response.json::<String>(), expected, "{path}");
        assert_eq!(client.get(path).await.status(), 401);
        let scopes: Vec<_> = expected.split(' ').filter(|scope| !scope.is_empty()).collect();
        let security = &document(app())["paths"][path]["get"]["security"];
        assert_eq!(*security, json!([{"OAuth2PasswordBearer": scopes}]), "{path}");
    }
}

#[tokio::test]
async fn what_replaces_a_dependency_sees_the_scopes_too() {
    #[dependency]
    async fn fake(scopes: SecurityScopes) -> Vec<String> {
        scopes.as_slice().to_vec()
    }
    let app = App::new("Scopes", "1.0.0").routes(routes![plain]);
    let app = app.route(get("/items", plain).scopes(["items:read"]));
    let client = app.override_dependency_with::<user, fake>().client().await;
    assert_eq!(client.get("/items").await.text(), r#"["items:read"]"#);
    assert_eq!(client.get("/plain").await.text(), "[]");
}

fn mistakes(app: App) -> String {
    app.openapi().expect_err("the app cannot start").to_string()
}

#[test]
fn scopes_that_nobody_checks_or_hands_out_stop_the_start() {
    async fn open(_token: Bearer) {}
    let app = App::new("Open", "1.0.0").route(get("/", open).scopes(["admin"]));
    let said = mistakes(app);
    assert!(said.contains("GET /: it demands the scopes `admin`, but none"), "{said}");

    let said = mistakes(App::new("Typo", "1.0.0").routes(routes![scoped]));
    assert!(
        said.contains("demands the scope `me`, which `OAuth2PasswordBearer` has not"),
        "{said}"
    );

    let app = App::new("Bad", "1.0.0").route(get("/", plain).scopes(["a b"]));
    assert!(mistakes(app).contains("`a b` is not a scope"));
}

#[test]
fn two_schemes_of_one_name_stop_the_start() {
    async fn all(_: OAuth2Bearer<All>) {}
    let app = app().route(get("/all", all));
    let said = mistakes(app);
    assert!(said.contains("two security schemes are called `OAuth2PasswordBearer`"), "{said}");
}

#[test]
fn secrets_are_compared_and_never_shown() {
    assert!(Bearer::new("t").matches("t") && !Bearer::new("t").matches("T"));
    assert!(ApiKey::<InQuery>::new("k").matches("k") && !ApiKey::<InQuery>::new("k").matches(""));
    let caller: Basic = Basic::new("u", "p");
    assert!(caller.matches("u", "p"));
    assert!(!caller.matches("u", "P") && !caller.matches("U", "p") && !caller.matches("u:p", ""));
    assert_eq!(format!("{caller:?}"), "Basic(…)");
    assert_eq!(format!("{:?}", OAuth2Bearer::<Login>::new("t")), "OAuth2Bearer(…)");
}

type Sent = Json<(String, String, Vec<String>, Option<String>, Option<String>)>;

async fn token(form: PasswordForm) -> Sent {
    assert!(form.password_matches(&form.password));
    Json((form.username, form.password, form.scopes, form.client_id, form.client_secret))
}

async fn strict_token(form: StrictPasswordForm) -> Sent {
    Json((form.username, form.password, form.scopes, form.client_id, form.client_secret))
}

fn token_app() -> App {
    App::new("Token", "1.0.0").routes([post("/token", token), post("/strict", strict_token)])
}

fn missing(names: &[&str]) -> String {
    let entry = |name| json!({"type": "missing", "loc": ["body", name], "msg": "Field required", "input": null});
    let entries: Vec<_> = names.iter().map(entry).collect();
    json!({ "detail": entries }).to_string()
}

#[tokio::test]
async fn the_form_for_a_token_is_read_as_in_fastapi() {
    let client = token_app().client().await;
    let wrong = r#"{"detail":[{"type":"string_pattern_mismatch","loc":["body","grant_type"],"msg":"String should match pattern '^password$'","input":"xpassword","ctx":{"pattern":"^password$"}}]}"#;
    let known = r#"["u","p",[],null,null]"#;
    let all = r#"["u","p",["a","b","c"],"i","s"]"#;
    let lax = missing(&["username", "password"]);
    let strict = missing(&["grant_type", "username", "password"]);
    let grant = missing(&["grant_type"]);
    for (body, expected, of_strict) in [
        ("", &*lax, &*strict),
        ("username=u&password=p", known, &grant),
        ("grant_type=&username=u&password=p", known, &grant),
        ("grant_type=password&username=u&password=p&extra=1", known, known),
        (
            "grant_type=password&username=u&password=p&scope=a+b++c&client_id=i&client_secret=s",
            all,
            all,
        ),
        ("grant_type=xpassword&username=u&password=p", wrong, wrong),
        ("grant_type=password&username=&password=", &lax, &lax),
    ] {
        for (path, expected) in [("/token", expected), ("/strict", of_strict)] {
            let request = client.post(path).body("application/x-www-form-urlencoded", body);
            assert_eq!(request.await.text(), expected, "{path} {body}");
        }
    }
}

#[test]
fn the_form_for_a_token_is_described_as_in_fastapi() {
    let document = document(token_app());
    let schema = |path: &str| {
        let body = &document["paths"][path]["post"]["requestBody"];
        body["content"]["application/x-www-form-urlencoded"]["schema"].clone()
    };
    let properties = schema("/token")["properties"].clone();
    assert_eq!(schema("/token")["required"], json!(["username", "password"]));
    assert_eq!(properties["password"], json!({"type": "string", "format": "password"}));
    assert_eq!(properties["grant_type"]["pattern"], "^password$");
    assert_eq!(properties["client_secret"]["format"], "password");
    assert_eq!(properties["scope"]["default"], "");
    assert_eq!(schema("/strict")["required"], json!(["grant_type", "username", "password"]));
}

#[test]
fn a_form_for_a_token_shows_no_secret() {
    let mut form: PasswordForm = PasswordForm::default();
    form.password = "lovelace".to_owned();
    form.client_secret = Some("lovelace".to_owned());
    assert!(!format!("{form:?}").contains("lovelace"));
    assert!(form.password_matches("lovelace") && !form.password_matches("Lovelace"));
}

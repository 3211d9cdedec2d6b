//! Applications and services inside an application.

use std::sync::{Arc, Mutex};

use alula::{Problem, Startup, http::Uri, middleware::ResponseTime, prelude::*};
use serde_json::Value;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

struct Name(&'static str);

#[get("/name")]
async fn name(name: State<Name>, id: RequestId) -> Json<(String, String)> {
    Json((name.0.to_owned(), id.to_string()))
}

#[post("/echo")]
async fn echo(Json(text): Json<String>) -> Json<String> {
    Json(text)
}

fn named(title: &'static str) -> App {
    App::new(title, "1.0.0").state(Name(title)).routes(routes![name, echo])
}

#[tokio::test]
async fn each_app_has_its_own_states_limits_and_middleware() {
    let inner = named("inner").max_body(10).layer(ResponseTime::new());
    let client = named("outer").mount("/inner", inner).client().await;
    let outer = client.get("/name").header("x-request-id", "abc").await;
    assert_eq!(outer.text(), r#"["outer","abc"]"#);
    assert!(!outer.headers().contains_key("x-response-time"));
    let inner = client.get("/inner/name").header("x-request-id", "abc").await;
    assert_eq!(inner.text(), r#"["inner","abc"]"#);
    assert!(inner.headers().contains_key("x-response-time"));
    assert_eq!(inner.headers().get_all("x-request-id").iter().count(), 1);
    let long = "x".repeat(20);
    assert_eq!(client.post("/echo").json(&long).await.status(), 200);
    assert_eq!(client.post("/inner/echo").json(&long).await.status(), 413);
    let missing = client.get("/inner/nowhere").await;
    assert_eq!((missing.status().as_u16(), missing.text()), (404, r#"{"detail":"Not Found"}"#));
    assert!(missing.headers().contains_key("x-response-time"));
}

#[tokio::test]
async fn a_layer_of_the_outer_app_is_around_both() {
    let app = named("outer").mount("/inner", named("inner")).layer(ResponseTime::new());
    let client = app.client().await;
    assert!(client.get("/inner/name").await.headers().contains_key("x-response-time"));
}

#[tokio::test]
async fn each_app_has_its_own_form_of_errors() {
    let problem = || named("inner").error_format(Problem::new());
    let shown = async |app: App, path: &str| {
        let response = app.client().await.get(path).await;
        response.header("content-type").to_owned()
    };
    for path in ["/inner/nowhere", "/inner/echo"] {
        let inner = named("outer").mount("/inner", problem());
        assert_eq!(shown(inner, path).await, "application/problem+json", "{path}");
        let outer = named("outer").error_format(Problem::new()).mount("/inner", named("inner"));
        assert_eq!(shown(outer, path).await, "application/json", "{path}");
        let both =
            named("outer").include(Router::new().prefix("/inner").error_format(Problem::new()));
        assert_eq!(shown(both.mount("/inner", named("inner")), path).await, "application/json");
    }
    let routed = Router::new().prefix("/api").error_format(Problem::new()).routes(routes![name]);
    let inner = named("outer").mount("/inner", named("inner").include(routed));
    let client = inner.client().await;
    let media_type = async |path: &str| client.get(path).await.header("content-type").to_owned();
    assert_eq!(media_type("/inner/api/nowhere").await, "application/problem+json");
    assert_eq!(media_type("/inner/nowhere").await, "application/json");
}

#[tokio::test]
async fn each_app_has_its_own_document_and_says_where_it_is() {
    let innermost = named("innermost");
    let inner = named("inner").mount("/deeper", innermost);
    let client = named("outer").mount("/inner", inner).client().await;
    let document = async |path: &str| -> Value { client.get(path).await.json() };
    for (prefix, title) in [("", "outer"), ("/inner", "inner"), ("/inner/deeper", "innermost")] {
        let document = document(&format!("{prefix}/openapi.json")).await;
        assert_eq!(document["info"]["title"], title);
        let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/name", "/echo"], "{title}");
        match prefix {
            "" => assert!(document.get("servers").is_none()),
            prefix => assert_eq!(document["servers"], serde_json::json!([{ "url": prefix }])),
        }
        assert_eq!(client.get(&format!("{prefix}/name")).await.status(), 200);
        #[cfg(feature = "docs")]
        {
            let page = client.get(&format!("{prefix}/docs")).await;
            let link = format!("data-document=\"{prefix}/openapi.json\"");
            assert!(page.text().contains(&link), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn an_inner_lifespan_is_within_the_outer_one() {
    fn logging(log: &Log, begin: &'static str, end: &'static str) -> App {
        let log = log.clone();
        App::new("Nested", "1.0.0").lifespan(move |startup: Startup| async move {
            log.note(begin);
            let closing = log.clone();
            Ok(startup.state(Name(begin)).on_shutdown(async move { closing.note(end) }))
        })
    }
    let log = Log::default();
    let inner = logging(&log, "inner begins", "inner ends").routes(routes![name]);
    let client = logging(&log, "outer begins", "outer ends").mount("/i", inner).client().await;
    assert!(client.get("/i/name").await.text().starts_with(r#"["inner begins""#));
    client.shutdown().await;
    let order = ["outer begins", "inner begins", "inner ends", "outer ends"];
    assert_eq!(*log.0.lock().unwrap(), order);
}

#[tokio::test]
async fn an_inner_lifespan_that_fails_ends_the_outer_one() {
    let log = Log::default();
    let (begins, ends) = (log.clone(), log.clone());
    let outer = App::new("Outer", "1.0.0").lifespan(move |startup: Startup| async move {
        begins.note("begins");
        Ok(startup.on_shutdown(async move { ends.note("ends") }))
    });
    let inner = App::new("Inner", "1.0.0")
        .lifespan(|_: Startup| async { Err(HttpError::internal("no database")) });
    let started = outer.mount("/inner", inner).into_service(alula::Shutdown::new()).await;
    assert!(started.err().unwrap().to_string().contains("no database"));
    assert_eq!(*log.0.lock().unwrap(), ["begins", "ends"]);
}

#[test]
fn mistakes_of_an_inner_app_stop_the_start() {
    async fn lacking(_name: State<String>) {}
    let inner = App::new("Inner", "1.0.0").route(get("/", lacking));
    let error = App::new("Outer", "1.0.0").mount("/inner", inner).openapi().unwrap_err();
    assert!(error.to_string().contains("mounted at `/inner`: GET /: it uses `State<"), "{error}");
    let app = || App::new("Inner", "1.0.0");
    for (path, mistake) in [
        ("/", "a router to `.include(…)`"),
        ("", "a router to `.include(…)`"),
        ("admin", "a path begins with `/`"),
        ("/{tenant}", "without parameters"),
        ("/a//b", "an empty part"),
    ] {
        let error = App::new("Outer", "1.0.0").mount(path, app()).openapi().unwrap_err();
        assert!(error.to_string().contains(mistake), "{path}: {error}");
    }
    let twice = App::new("Outer", "1.0.0").mount("/a", app()).mount("/a/", app());
    assert!(twice.openapi().unwrap_err().to_string().contains("two things are mounted there"));
}

#[tokio::test]
async fn a_service_sees_the_path_without_its_prefix() {
    let service = axum::Router::new()
        .route("/{*rest}", axum::routing::any(async |uri: Uri| uri.path().to_owned()));
    let app = named("outer").mount_service("/legacy", service.clone()).layer(ResponseTime::new());
    let client = app.client().await;
    let response = client.put("/legacy/a/b?c").await;
    assert_eq!(response.text(), "/a/b");
    assert!(response.headers().contains_key("x-response-time"));
    assert_eq!(client.get("/legacyx").await.text(), r#"{"detail":"Not Found"}"#);
    for path in ["", "/", "legacy", "/{a}", "/a//b", "/:a"] {
        let error = named("outer").mount_service(path, service.clone()).openapi().unwrap_err();
        assert!(error.to_string().contains("cannot be mounted"), "{path}");
    }
}

#[tokio::test]
async fn slashes_are_left_alone_if_told_so() {
    let client = named("outer").redirect_slashes(false).client().await;
    assert_eq!(client.get("/name/").await.status(), 404);
    let client = named("outer").client().await;
    let redirect = client.get("/name/?a=1").await;
    assert_eq!((redirect.status().as_u16(), redirect.header("location")), (307, "/name?a=1"));
}

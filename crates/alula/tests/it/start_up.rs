//! What stops an application from starting, and what it says then.

use alula::prelude::*;
use serde_json::Value;

fn mistakes(app: App) -> String {
    app.openapi().unwrap_err().to_string()
}

fn empty() -> App {
    App::new("Test", "1.0.0")
}

mod other {
    use alula::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema, Validate)]
    pub(super) struct Item {
        text: String,
    }
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Item {
    id: u32,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Listed<T> {
    items: Vec<T>,
}

#[test]
fn two_types_of_one_name_stop_the_start_and_how_to_rename_is_said() {
    async fn here() -> Json<Item> {
        Json(Item { id: 1 })
    }
    async fn there(Json(item): Json<other::Item>) -> Json<other::Item> {
        Json(item)
    }
    async fn lists(Json(_): Json<Listed<u8>>) -> Json<Listed<Item>> {
        Json(Listed { items: Vec::new() })
    }
    let error = mistakes(empty().route(get("/here", here)).route(post("/there", there)));
    assert!(error.contains("POST /there: two types are called `Item`"), "{error}");
    assert!(error.contains("start_up::other::Item"), "{error}");
    assert!(error.contains("#[schemars(rename = "), "{error}");

    async fn other_lists() -> Json<Listed<String>> {
        Json(Listed { items: Vec::new() })
    }
    let app = empty().route(post("/lists", lists)).route(get("/lists", other_lists));
    let error = mistakes(app);
    assert!(error.contains(r#"rename = "Listed_{T}""#), "{error}");
}

#[test]
fn operation_ids_are_the_names_of_functions_made_longer_where_they_meet() {
    async fn list() {}
    async fn only() {}
    let app = || {
        empty()
            .route(get("/a", list))
            .route(post("/a", list))
            .route(get("/a/{b}", list))
            .route(get("/only", only))
    };
    let ids = |app: App| {
        let document = app.openapi().unwrap();
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        let id = |operation: &Value| operation["operationId"].as_str().unwrap().to_owned();
        operations.map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(app()), ["list_a_get", "list_a_post", "list_a__b__get", "only"]);

    let error = mistakes(app().route(get("/other", only).operation_id("list_a_get")));
    assert!(
        error.contains("GET /other: its operation id `list_a_get` is that of GET /a"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_or_answered_is_a_mistake() {
    async fn one_of_two(Path(_): Path<u32>) {}
    async fn three_of_two(Path(_): Path<(u32, u32, u32)>) {}
    async fn no_struct(Query(_): Query<u32>) {}
    async fn none_at_all(Header(_): Header<Vec<String>>) {}
    async fn content_of_nothing() -> Status<204, Json<u8>> {
        Status(Json(1))
    }
    async fn nothing() {}
    let app = empty()
        .route(get("/one/{a}/{b}", one_of_two))
        .route(get("/three/{a}/{b}", three_of_two))
        .route(get("/query", no_struct))
        .route(get("/header", none_at_all))
        .route(get("/nothing", content_of_nothing))
        .route(get("/continue", nothing).status(100))
        .include(Router::new().prefix("/v1/").route(get("/slashes", nothing)))
        .route(get("/openapi.json", nothing));
    let error = mistakes(app);
    for expected in [
        "GET /one/{a}/{b}: `Path<u32>` reads 1 of the 2 values of the path",
        "GET /three/{a}/{b}: `Path<(u32, u32, u32)>` reads 3 of the 2 values of the path",
        "GET /query: `u32` cannot be read from query parameters; use a struct",
        "GET /header: `alloc::vec::Vec<alloc::string::String>` cannot be read from header",
        "GET /nothing: an answer with status 204 has no body",
        "GET /continue: 100 is not an HTTP status of an answer",
        "GET /v1//slashes: the path has an empty part",
        "GET /openapi.json (`openapi_url`): this method and path are routed twice",
    ] {
        assert!(error.contains(expected), "{expected} in {error}");
    }
    assert_eq!(error.lines().count(), 9, "{error}");
}

#[test]
fn an_application_with_mistakes_does_not_start_and_names_them_all() {
    struct Missing;
    async fn needs(_: State<Missing>) {}
    async fn none() {}
    async fn other_name(Path(_): Path<ById>) {}
    #[derive(Deserialize, JsonSchema, Validate)]
    struct ById {
        id: u32,
    }
    let app = empty()
        .route(get("/a", needs))
        .route(get("/a", none))
        .route(get("no-slash", none))
        .route(get("/:old", none))
        .route(get("/b/{x}", none))
        .route(get("/b/{y}", none))
        .route(get("/c/{item_id}", other_name))
        .route(get("/d", none).status(99));
    let error = mistakes(app);
    let lines = error.lines().skip(1).collect::<Vec<_>>();
    for expected in [
        "GET /a: it uses `State<",
        "GET /a: this method and path are routed twice",
        "GET no-slash: a path begins with `/`",
        "GET /:old: write `{old}` instead of `:old`",
        "GET /b/{y}: ",
        "GET /c/{item_id}: ",
        "GET /d: 99 is not an HTTP status of an answer",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} in {error}");
    }
    assert_eq!(lines.len(), 7, "{error}");
}

#[tokio::test]
async fn what_the_lifespan_opened_is_closed_when_the_start_fails() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };

    use alula::serve::{Limits, Server, Shutdown};

    struct Missing;
    async fn needs(_: State<Missing>) {}
    let closed = Arc::new(AtomicBool::new(false));
    let closing = closed.clone();
    let app = empty().route(get("/", needs)).lifespan(|startup| async move {
        Ok(startup.on_shutdown(async move { closing.store(true, SeqCst) }))
    });
    let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
    let error = app.serve_on(server, Shutdown::new()).await.unwrap_err();
    assert!(error.to_string().contains("Missing"), "{error}");
    assert!(closed.load(SeqCst));
}

#[cfg(feature = "docs")]
#[test]
fn the_documentation_shares_a_path_but_no_method_with_an_endpoint() {
    async fn nothing() {}
    assert!(empty().route(post("/docs", nothing)).openapi().is_ok());
    let error = mistakes(empty().route(get("/docs", nothing)));
    assert!(error.contains("GET /docs (`docs_url`): this method and path are routed twice"));
    let error = mistakes(empty().docs_url("docs"));
    assert!(error.contains("GET docs (`docs_url`): a path begins with `/`"), "{error}");
    assert!(empty().route(get("/{*rest}", nothing)).openapi().is_ok());
}

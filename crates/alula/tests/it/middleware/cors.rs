//! What a browser is told where the plain cases of FastAPI's middleware do not reach.

use alula::{App, HttpError, Json, Result, Router, Status, get, middleware::Cors, options, post};

const ORIGIN: &str = "https://a.example";

fn cors() -> Cors {
    Cors::new().origin(ORIGIN)
}

async fn handler() -> Json<u8> {
    Json(1)
}

#[tokio::test]
async fn errors_can_be_read_too() {
    async fn number(_number: Json<u8>) {}
    async fn panics() {
        panic!("at the disco");
    }
    async fn fails() -> Result<()> {
        Err(HttpError::internal("disk on fire"))
    }
    let app = App::new("Cors", "1.0.0").layer(cors()).max_body(10);
    let app = app.route(post("/number", number)).route(get("/panics", panics));
    let client = app.route(get("/fails", fails)).client().await;
    for (request, status) in [
        (client.get("/panics"), 500),
        (client.get("/fails"), 500),
        (client.post("/number").json("x"), 422),
        (client.post("/number").body("application/json", "12345678901"), 413),
        (client.post("/number").body("text/plain", "1"), 415),
        (client.get("/number"), 405),
        (client.get("/nowhere"), 404),
    ] {
        let response = request.header("origin", ORIGIN).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.header("access-control-allow-origin"), ORIGIN, "{status}");
    }
}

#[tokio::test]
async fn on_a_router_it_answers_preflight_requests_for_its_paths_only() {
    let open = Router::new().prefix("/open").layer(cors()).route(get("/{id}", handler));
    let app = App::new("Cors", "1.0.0").include(open).route(post("/open/{id}", handler));
    let client = app.route(get("/closed", handler)).client().await;
    let preflight = async |path: &str, method: &str| {
        let request = client.options(path).header("origin", ORIGIN);
        let response = request.header("access-control-request-method", method).await;
        (response.status().as_u16(), response.header("access-control-allow-origin").to_owned())
    };
    assert_eq!(preflight("/open/1", "GET").await, (200, ORIGIN.to_owned()));
    assert_eq!(preflight("/open/1", "POST").await, (405, String::new()), "another route");
    assert_eq!(preflight("/closed", "GET").await, (405, String::new()));
    let plain = client.options("/open/1").await;
    assert_eq!((plain.status().as_u16(), plain.header("allow")), (405, "GET,HEAD,POST"));
}

#[tokio::test]
async fn a_route_for_options_answers_by_itself() {
    async fn own() -> Status<202, Json<u8>> {
        Status(Json(1))
    }
    let app = App::new("Cors", "1.0.0").route(get("/", handler).layer(cors()));
    let client = app.route(options("/", own)).client().await;
    let request = client.options("/").header("origin", ORIGIN);
    assert_eq!(request.header("access-control-request-method", "GET").await.status(), 202);
}

#[tokio::test]
async fn origins_are_compared_as_browsers_write_them() {
    let app = App::new("Cors", "1.0.0").route(get("/", handler));
    let client = app.layer(Cors::new().origin("HTTPS://A.Example")).client().await;
    let allowed = async |origin: &str| {
        let response = client.get("/").header("origin", origin).await;
        !response.header("access-control-allow-origin").is_empty()
    };
    assert!(allowed(ORIGIN).await);
    assert!(!allowed("https://a.example:8443").await);
    assert!(!allowed("http://a.example").await);
}

//! Middleware: which is outside of which, and what it sees.

use alula::{http::Response, prelude::*};
use axum::{
    extract::Request,
    middleware::{Next, from_fn},
};

/// Notes its name on the way in and on the way out, in a header of the answer.
macro_rules! noted {
    ($name:literal) => {
        from_fn(|request: Request, next: Next| async move {
            let mut response = next.run(request).await;
            note(&mut response, $name);
            response
        })
    };
}

fn note(response: &mut Response<alula::Body>, name: &str) {
    let known = response.headers().get("x-way-out").and_then(|value| value.to_str().ok());
    let way = known.map_or_else(|| name.to_owned(), |known| format!("{known} {name}"));
    response.headers_mut().insert("x-way-out", way.parse().unwrap());
}

async fn handler() -> Json<u8> {
    Json(1)
}

async fn client() -> alula::testing::TestClient {
    let route = get("/both", handler).layer(noted!("route-1")).layer(noted!("route-2"));
    let inner = Router::new().prefix("/in").route(route).layer(noted!("inner"));
    let outer = Router::new().include(inner).layer(noted!("outer-1")).layer(noted!("outer-2"));
    let app = App::new("Layers", "1.0.0").include(outer).route(post("/in/both", handler));
    app.layer(noted!("app-1")).layer(noted!("app-2")).client().await
}

#[tokio::test]
async fn a_layer_is_outside_of_those_added_before_and_of_those_further_in() {
    let response = client().await.get("/in/both").await;
    let way = "route-1 route-2 inner outer-1 outer-2 app-1 app-2";
    assert_eq!(response.header("x-way-out"), way);
}

#[tokio::test]
async fn a_layer_of_a_route_is_not_around_another_method_of_its_path() {
    let response = client().await.post("/in/both").await;
    assert_eq!(response.header("x-way-out"), "app-1 app-2");
}

#[tokio::test]
async fn what_is_not_found_meets_the_layers_of_the_app_only() {
    let client = client().await;
    let missing = client.get("/nowhere").await;
    assert_eq!((missing.status().as_u16(), missing.header("x-way-out")), (404, "app-1 app-2"));
    let method = client.put("/in/both").await;
    assert_eq!((method.status().as_u16(), method.header("x-way-out")), (405, "app-1 app-2"));
    assert_eq!(method.header("allow"), "GET,HEAD,POST");
    assert_eq!(method.text(), r#"{"detail":"Method Not Allowed"}"#);
}

#[tokio::test]
async fn a_layer_that_panics_is_a_500_with_the_request_id() {
    async fn panics(_: Request, _: Next) -> Response<alula::Body> {
        panic!("in a layer")
    }
    let app = App::new("Layers", "1.0.0").route(get("/", handler)).layer(from_fn(panics));
    let response = app.client().await.get("/").header("x-request-id", "abc").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.header("x-request-id"), "abc");
    assert_eq!(response.text(), r#"{"detail":"Internal Server Error"}"#);
}

//! What browsers are told to be careful about.

use std::time::Duration;

use alula::{
    App, Html, Json, ResponseHead, get,
    middleware::{HttpsRedirect, ResponseTime, SecurityHeaders},
};

async fn handler() -> Json<u8> {
    Json(1)
}

#[tokio::test]
async fn answers_are_data_and_nothing_else() {
    let headers = SecurityHeaders::new().hsts(Duration::from_secs(3600)).header("x-own", "1");
    let client = App::new("Safe", "1.0.0").route(get("/", handler)).layer(headers).client().await;
    for path in ["/", "/nowhere"] {
        let response = client.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("strict-transport-security", "max-age=3600; includeSubDomains"),
            ("x-own", "1"),
        ] {
            assert_eq!(response.header(name), value, "{path}");
        }
    }
}

#[tokio::test]
async fn what_the_answer_says_itself_is_left() {
    async fn page(head: ResponseHead) -> Html<&'static str> {
        head.header("content-security-policy", "default-src 'self'");
        Html("hello")
    }
    let headers = SecurityHeaders::new().frame_options(None).referrer_policy("origin");
    let app = App::new("Safe", "1.0.0").route(get("/", page)).layer(headers);
    let client = app.client().await;
    let response = client.get("/").await;
    assert_eq!(response.header("content-security-policy"), "default-src 'self'");
    assert_eq!(response.header("referrer-policy"), "origin");
    assert!(!response.headers().contains_key("x-frame-options"));
    #[cfg(feature = "docs")]
    assert!(client.get("/docs").await.header("content-security-policy").contains("script-src"));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_answer_is_told() {
    let app = App::new("Timed", "1.0.0").route(get("/", handler)).layer(ResponseTime::new());
    let response = app.client().await.get("/").await;
    let time = response.header("x-response-time").strip_suffix("ms").unwrap();
    assert!(time.parse::<f64>().unwrap() >= 0.0 && time.split_once('.').unwrap().1.len() == 3);
}

#[tokio::test]
async fn a_redirect_keeps_the_path_and_the_query() {
    let app = App::new("Safe", "1.0.0").route(get("/", handler)).layer(HttpsRedirect::new());
    let client = app.client().await;
    for (target, location) in [
        ("/a/b?c=d", "https://a.example/a/b?c=d"),
        ("/?c", "https://a.example/?c"),
        ("*", "https://a.example/"),
    ] {
        let response = client.options(target).header("host", "a.example:80").await;
        assert_eq!(response.header("location"), location);
    }
}

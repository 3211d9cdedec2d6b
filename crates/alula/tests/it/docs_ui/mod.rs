//! The documentation page, in a browser and as files.

mod browser;
mod login;
#[cfg(feature = "redoc")]
mod redoc;

use alula::{Body, http::Response, prelude::*};
use serde_json::Value;

use self::browser::{chromium, open, strays};
use crate::{kitchen, tool};

#[tokio::test]
async fn the_page_shows_the_operations_and_stays_at_home() {
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let (origin, visit) = open(&chromium, kitchen::app(), "/docs#/Orders/order").await;
    for text in [
        "Kitchen &lt;sink&gt;",
        "data-tag=\"Dishes\"",
        "What there is.",
        "List the dishes.",
        "data-tag=\"Streams\"",
        "All orders of the day.",
        // The operation in the URL is open, with an example of its body.
        "opblock opblock-post is-open",
        "\"ingredients\"",
    ] {
        assert!(visit.dom.contains(text), "{text} in {}", visit.dom);
    }
    assert!(!visit.dom.contains("health"), "a hidden operation");
    assert_eq!(visit.console, [""; 0]);
    assert_eq!(strays(&origin, &visit), [""; 0]);
    for file in ["docs#/Orders/order", "openapi.json"] {
        let url = format!("{origin}/{file}");
        assert!(visit.requests.contains(&url), "{url} in {:?}", visit.requests);
    }
}

#[tokio::test]
async fn a_page_that_strays_or_breaks_its_policy_would_be_noticed() {
    async fn page() -> Response<Body> {
        let html = "<img src='http://elsewhere.example/x'><script>alert(1)</script>";
        Response::builder()
            .header("content-type", "text/html")
            .header("content-security-policy", "script-src 'self'")
            .body(Body::from(html))
            .unwrap()
    }
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let app = App::new("Stray", "1.0.0").route(get("/page", page));
    let (origin, visit) = open(&chromium, app, "/page").await;
    assert_eq!(strays(&origin, &visit), ["http://elsewhere.example/x"]);
    assert!(visit.console.iter().any(|line| line.contains("script-src")), "{:?}", visit.console);
}

#[tokio::test]
async fn the_page_and_its_files_have_their_headers() {
    let client = kitchen::app().client().await;
    let page = client.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(page.text().contains("<title>Kitchen &lt;sink&gt;</title>"));

    let redirect = client.get("/docs/oauth2-redirect").await;
    assert_eq!(redirect.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(redirect.header("content-security-policy"), policy);

    let pages = [page.text(), redirect.text()];
    let urls = pages.iter().flat_map(|page| page.split('"'));
    let urls: Vec<_> = urls
        .filter(|part| part.starts_with("/docs/") && *part != "/docs/oauth2-redirect")
        .collect();
    assert_eq!(urls.len(), 5);
    for url in urls {
        let file = client.get(url).await;
        assert_eq!(file.status(), 200, "{url}");
        let cached = file.header("cache-control");
        assert_eq!(cached, "public, max-age=31536000, immutable", "{url}");
        assert_eq!(file.header("x-content-type-options"), "nosniff", "{url}");
        let is_compressed = url.contains("swagger-ui");
        assert_eq!(file.header("content-encoding") == "gzip", is_compressed, "{url}");
        assert_eq!(client.head(url).await.status(), 200, "{url}");
    }
}

#[tokio::test]
async fn the_page_and_the_document_can_be_elsewhere_or_nowhere() {
    let app = kitchen::app().docs_url("/ui").openapi_url("/schema.json");
    let client = app.client().await;
    assert!(client.get("/ui").await.text().contains("data-document=\"/schema.json\""));
    assert_eq!(client.get("/schema.json").await.json::<Value>()["openapi"], "3.1.0");
    assert_eq!(client.get("/docs").await.status(), 404);

    let client = kitchen::app().docs_url(None).client().await;
    assert_eq!(client.get("/docs").await.status(), 404);
    assert_eq!(client.get("/openapi.json").await.status(), 200);

    let client = kitchen::app().openapi_url(None).client().await;
    assert_eq!(client.get("/docs").await.status(), 404);
    assert_eq!(client.get("/openapi.json").await.status(), 404);
}

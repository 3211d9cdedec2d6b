//! The second viewer.

use super::browser::{chromium, open, strays};
use crate::{kitchen, tool};

#[tokio::test]
async fn redoc_shows_the_operations_and_stays_at_home() {
    let Some(chromium) = chromium() else {
        return tool::skipped("no Chromium; see ALULA_TEST_CHROMIUM");
    };
    let (origin, visit) = open(&chromium, kitchen::app(), "/redoc").await;
    for text in [
        "Kitchen &lt;sink&gt;",
        "List the dishes.",
        "All orders of the day.",
        "A dish is sold out",
        "StaffLogin",
    ] {
        assert!(visit.dom.contains(text), "{text}");
    }
    assert!(!visit.dom.contains("health"), "a hidden operation");
    assert_eq!(strays(&origin, &visit), [""; 0]);
    // The policy keeps a logo away that Redoc would load from elsewhere, and nothing else.
    let is_logo = |line: &&String| line.contains("redoc/logo-mini.svg");
    let others: Vec<_> = visit.console.iter().filter(|line| !is_logo(line)).collect();
    assert_eq!(others, [""; 0]);
}

#[tokio::test]
async fn redoc_can_be_elsewhere_or_nowhere() {
    let client = kitchen::app().redoc_url("/read").client().await;
    let page = client.get("/read").await;
    assert!(page.text().contains("data-document=\"/openapi.json\""));
    let urls: Vec<_> = page.text().split('"').filter(|part| part.starts_with("/read/")).collect();
    assert_eq!(urls.len(), 2);
    for url in urls {
        let file = client.get(url).await;
        assert_eq!((file.status().as_u16(), file.header("content-type")), (200, "text/javascript"));
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    }
    let client = kitchen::app().redoc_url(None).client().await;
    assert_eq!(client.get("/redoc").await.status(), 404);
}

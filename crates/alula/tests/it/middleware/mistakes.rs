//! Middleware that is described wrongly stops the start.

use alula::{
    App, Json, Router, get,
    middleware::{ConcurrencyLimit, Cors, SecurityHeaders, TrustedHosts, TrustedProxies},
};

async fn handler() -> Json<u8> {
    Json(1)
}

#[test]
fn all_mistakes_are_listed() {
    let app = App::new("Wrong", "1.0.0")
        .layer(Cors::new().origin("https://a.example/").headers(["a b"]).origin_pattern("("))
        .layer(Cors::new().any_origin().credentials())
        .layer(TrustedHosts::new(["https://a.example"]))
        .layer(TrustedProxies::new(["localhost"]))
        .layer(SecurityHeaders::new().header("x y", "1").referrer_policy("a\nb"))
        .layer(ConcurrencyLimit::new(0));
    #[cfg(feature = "compression")]
    let app = app.layer(alula::middleware::Compression::new().level(10));
    let error = app.openapi().unwrap_err().to_string();
    for mistake in [
        "`Cors`: \"https://a.example/\" is never the origin of a page: an origin has no slash",
        "`Cors`: \"a b\" is no name of a header",
        "`Cors`: the pattern \"(\" of origins: ",
        "`Cors`: credentials for any origin let every page act for its visitors",
        "`TrustedHosts`: \"https://a.example\" is no host",
        "`TrustedProxies`: \"localhost\" is neither an address nor a network",
        "`SecurityHeaders`: \"x y\" is no name of a header",
        "`SecurityHeaders`: `referrer-policy` cannot be \"a\\nb\"",
        "`ConcurrencyLimit`: 0 requests at a time let none in",
    ] {
        assert!(error.contains(mistake), "{mistake}\n{error}");
    }
    assert_eq!(error.contains("level 10"), cfg!(feature = "compression"));
}

#[test]
fn a_mistake_of_a_router_is_told_once() {
    let router = Router::new().layer(TrustedHosts::new(["*"]));
    let router = router.route(get("/1", handler)).route(get("/2", handler));
    let error = App::new("Wrong", "1.0.0").include(router).openapi().unwrap_err().to_string();
    assert_eq!(error.matches("TrustedHosts").count(), 1, "{error}");
}

//! Who the client is, behind proxies.

use alula::{
    App, Body, Json, get,
    http::{HeaderValue, Request},
    middleware::{ClientAddr, HttpsRedirect, TrustedHosts, TrustedProxies},
    testing::TestClient,
};

async fn whoami(ClientAddr(address): ClientAddr) -> Json<String> {
    Json(address.to_string())
}

fn app() -> App {
    App::new("Proxied", "1.0.0").route(get("/", whoami))
}

const PROXY: [u8; 4] = [10, 0, 0, 1];

async fn seen(client: &TestClient, from: [u8; 4], forwarded: &str) -> String {
    let request = client.get("/").from_address(from).header("x-forwarded-for", forwarded);
    request.await.json()
}

#[tokio::test]
async fn only_those_that_are_listed_are_believed() {
    let client = app().layer(TrustedProxies::new(["10.0.0.0/8"])).client().await;
    assert_eq!(seen(&client, PROXY, "203.0.113.5").await, "203.0.113.5");
    assert_eq!(seen(&client, [192, 0, 2, 1], "203.0.113.5").await, "192.0.2.1");
    assert_eq!(client.get("/").from_address(PROXY).await.json::<String>(), "10.0.0.1");
    let nobody = app().client().await;
    assert_eq!(seen(&nobody, PROXY, "203.0.113.5").await, "10.0.0.1");
    assert_eq!(nobody.get("/").await.json::<String>(), "127.0.0.1");
}

#[tokio::test]
async fn who_sends_nonsense_does_not_pass_for_the_proxy() {
    let app = |proxies| app().layer(proxies);
    let listed = app(TrustedProxies::new(["10.0.0.0/8"])).client().await;
    let standard = app(TrustedProxies::new(["10.0.0.0/8"]).standard_header()).client().await;
    for (client, name, sent) in [
        (&listed, "x-forwarded-for", &b"\xff, 203.0.113.5"[..]),
        (&standard, "forwarded", b"for=\xff, for=203.0.113.5"),
        (&standard, "forwarded", b"for=6.6.6.6;x=\", for=203.0.113.5"),
    ] {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(name, HeaderValue::from_bytes(sent).unwrap());
        let response = client.send(request).from_address(PROXY).await;
        assert_eq!(response.json::<String>(), "203.0.113.5", "{name}");
    }
}

#[tokio::test]
async fn a_client_that_the_proxy_does_not_tell_is_unknown() {
    async fn perhaps(address: Option<ClientAddr>) -> Json<Option<String>> {
        Json(address.map(|ClientAddr(address)| address.to_string()))
    }
    let app = app().route(get("/perhaps", perhaps));
    let client = app.layer(TrustedProxies::new(["10.0.0.0/8"])).client().await;
    for hidden in ["unknown", "", "203.0.113.5, unknown, 10.0.0.2"] {
        let ask = |path| client.get(path).from_address(PROXY).header("x-forwarded-for", hidden);
        let refused = ask("/").await;
        assert_eq!(refused.status(), 400, "{hidden}");
        assert_eq!(refused.text(), r#"{"detail":"The address of the client is unknown"}"#);
        assert_eq!(ask("/perhaps").await.text(), "null", "{hidden}");
    }
    let told = client.get("/perhaps").from_address(PROXY).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(told.await.text(), "\"192.0.2.1\"");
    assert_eq!(client.get("/perhaps").await.text(), "\"127.0.0.1\"");
}

#[tokio::test]
async fn a_redirect_to_https_believes_them_too() {
    let app = app().layer(HttpsRedirect::new()).layer(TrustedProxies::new(["10.0.0.1"]));
    let client = app.client().await;
    let status = async |from: [u8; 4], scheme: &str| {
        let request = client.get("/").header("host", "a.example").from_address(from);
        let request = request.header("x-forwarded-for", "203.0.113.5");
        request.header("x-forwarded-proto", scheme).await.status().as_u16()
    };
    assert_eq!(status(PROXY, "https").await, 200);
    assert_eq!(status(PROXY, "HTTPS").await, 200);
    assert_eq!(status(PROXY, "http").await, 307);
    assert_eq!(status([192, 0, 2, 1], "http").await, 307);
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_sends_no_client_round_in_circles() {
    for app in [app(), app().layer(TrustedProxies::new(["10.0.0.9"]))] {
        let client = app.layer(HttpsRedirect::new()).client().await;
        let ask = |name, value| {
            let request = client.get("/").header("host", "a.example").from_address(PROXY);
            request.header(name, value)
        };
        for (name, value) in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "http, HTTPS"),
            ("forwarded", "for=203.0.113.5;proto=https"),
        ] {
            let response = ask(name, value).await;
            assert_eq!(response.status(), 400, "{name}: {value}");
            assert!(response.text().contains("no trusted proxy"), "{}", response.text());
        }
        for (name, value) in [("x-forwarded-proto", "http"), ("forwarded", "for=203.0.113.5")] {
            assert_eq!(ask(name, value).await.status(), 307, "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn the_host_is_taken_only_if_asked_for() {
    let hosts = || TrustedHosts::new(["a.example"]);
    let proxies = || TrustedProxies::new(["10.0.0.1"]).standard_header();
    let plain = app().layer(hosts()).layer(proxies());
    let asked = app().layer(hosts()).layer(proxies().forward_host());
    for (app, expected) in [(plain, 400), (asked, 200)] {
        let client = app.client().await;
        let request = client.get("/").from_address(PROXY).header("host", "internal:8000");
        let response = request.header("forwarded", "for=203.0.113.5;host=a.example").await;
        assert_eq!(response.status(), expected);
    }
}

//! Who may open a WebSocket, and how.

use alula::{prelude::*, testing::TestResponse};

use super::echo;

async fn client() -> alula::testing::TestClient {
    App::new("Test", "1.0.0").routes(routes![echo, spoken]).client().await
}

#[ws("/spoken", protocols = ["chat.v2", "chat.v1"])]
pub(super) async fn spoken(mut socket: WebSocket) -> Result<()> {
    let protocol = socket.protocol().unwrap_or("none").to_owned();
    Ok(socket.send_text(protocol).await?)
}

#[tokio::test]
async fn the_routes_favourite_of_the_clients_protocols_is_spoken() {
    let client = client().await;
    for (offered, agreed) in
        [(&["x", "chat.v1", "chat.v2"][..], Some("chat.v2")), (&["chat.v1"], Some("chat.v1"))]
    {
        let request = client.websocket("/spoken").protocols(offered.iter().copied());
        let mut socket = request.connect().await.unwrap();
        assert_eq!(socket.protocol(), agreed);
        assert_eq!(socket.recv_text().await, agreed.unwrap());
        socket.close().await;
    }
    let mut socket = client.websocket("/spoken").protocols(["x"]).connect().await.unwrap();
    assert_eq!(socket.protocol(), None);
    assert_eq!(socket.recv_text().await, "none");
    socket.close().await;
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let client = client().await;
    let from = |origin| client.websocket("/echo").header("origin", origin).connect();
    assert_eq!(from("https://evil.example").await.unwrap_err().status(), 403);
    from("https://testserver").await.unwrap().close().await;
}

#[tokio::test]
async fn the_innermost_list_of_origins_counts() {
    let app = App::new("Test", "1.0.0").allowed_origins(["https://app.example"]).include(
        Router::new().prefix("/in").allowed_origins(["https://in.example"]).routes(routes![echo]),
    );
    let client = app.routes(routes![echo]).client().await;
    let status = async |path: &str, origin: &str| match client
        .websocket(path)
        .header("origin", origin)
        .connect()
        .await
    {
        Ok(socket) => socket.close().await.code,
        Err(refused) => refused.status().as_u16(),
    };
    assert_eq!(status("/echo", "https://app.example").await, 1000);
    assert_eq!(status("/echo", "https://in.example").await, 403);
    assert_eq!(status("/in/echo", "https://in.example").await, 1000);
    assert_eq!(status("/in/echo", "https://app.example").await, 403);
}

#[tokio::test]
async fn what_is_no_handshake_is_told_to_upgrade() {
    let client = client().await;
    let plain = client.get("/echo").await;
    assert_eq!((plain.status().as_u16(), plain.header("upgrade")), (426, "websocket"));
    assert_eq!(plain.text(), r#"{"detail":"This path speaks WebSocket"}"#);
    assert_eq!(client.post("/echo").await.status(), 405);

    let handshake = |name: &'static str, value: &'static str| {
        let headers = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let client = &client;
        async move {
            let request =
                headers.into_iter().fold(client.get("/echo"), |request, (known, good)| {
                    request.header(known, if known == name { value } else { good })
                });
            request.await
        }
    };
    let status = |response: &TestResponse| response.status().as_u16();
    assert_eq!(status(&handshake("upgrade", "h2c").await), 426);
    assert_eq!(status(&handshake("connection", "close").await), 426);
    let old = handshake("sec-websocket-version", "8").await;
    assert_eq!((status(&old), old.header("sec-websocket-version")), (426, "13"));
    assert_eq!(status(&handshake("sec-websocket-key", "short").await), 400);
    // Complete, but there is no connection that could be upgraded.
    assert_eq!(status(&handshake("", "").await), 500);
}

#[tokio::test]
async fn a_dependency_sets_headers_of_the_answer() {
    #[dependency]
    async fn counted(head: ResponseHead) {
        head.header("x-visits", 7);
    }
    let router = Router::new().depends::<counted>().routes(routes![echo]);
    let client = App::new("Test", "1.0.0").include(router).client().await;
    let socket = client.websocket("/echo").connect().await.unwrap();
    assert_eq!(socket.headers()["x-visits"], "7");
    socket.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_route_ends_before_the_connection_opens() {
    #[dependency]
    async fn stuck() {
        std::future::pending::<()>().await;
    }
    let slow = ws("/slow", async |_: WebSocket, _: Depends<stuck>| {});
    let second = std::time::Duration::from_secs(1);
    let app =
        App::new("Test", "1.0.0").routes([slow.timeout(second), ws("/echo", echo).timeout(second)]);
    let client = app.client().await;
    assert_eq!(client.websocket("/slow").connect().await.unwrap_err().status(), 504);
    let mut socket = client.websocket("/echo").connect().await.unwrap();
    tokio::time::sleep(5 * second).await;
    socket.send_text("still here").await;
    assert_eq!(socket.recv_text().await, "still here");
    socket.close().await;
}

#[tokio::test]
async fn a_guard_of_the_router_is_asked_first() {
    #[dependency]
    async fn nobody() -> Result<()> {
        Err(HttpError::forbidden("nobody"))
    }
    let router = Router::new().depends::<nobody>().routes(routes![echo]);
    let client = App::new("Test", "1.0.0").include(router).client().await;
    assert_eq!(client.websocket("/echo").connect().await.unwrap_err().status(), 403);
}

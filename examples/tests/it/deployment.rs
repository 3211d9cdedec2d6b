#[path = "../../deployment.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use alula::Shutdown;

#[tokio::test]
async fn a_draining_server_lives_and_is_not_ready() {
    let shutdown = Shutdown::new();
    let client = program::app(shutdown.clone()).client().await;
    let get = |path| client.get(path).header("host", "localhost");
    assert_eq!(get("/health/ready").await.status(), 200);
    shutdown.trigger();
    let refused = get("/health/ready").await;
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (503, "5"));
    assert_eq!(get("/health/live").await.status(), 200);
}

#[tokio::test]
async fn only_its_own_names_are_answered() {
    let client = program::app(Shutdown::new()).client().await;
    let request = client.post("/chat").json("hi").header("host", "api.example.com");
    assert_eq!(request.await.status(), 200);
    let request = client.post("/chat").json("hi").header("host", "evil.example");
    assert_eq!(request.await.status(), 400);
}

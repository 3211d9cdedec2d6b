#[path = "../../middleware.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

#[tokio::test]
async fn every_answer_passes_all_layers() {
    let client = program::app().client().await;
    let request = client.get("/id").header("x-request-id", "r-1");
    let answer = request.header("origin", "https://app.example.com").await;
    assert_eq!(answer.json::<String>(), "r-1");
    assert_eq!(answer.header("x-request-id"), "r-1");
    assert_eq!(answer.header("x-api-version"), "1");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
    assert!(!answer.header("x-response-time").is_empty());
}

#[tokio::test]
async fn errors_pass_them_too() {
    let answer = program::app().client().await.get("/nowhere").await;
    assert_eq!((answer.status().as_u16(), answer.header("x-api-version")), (404, "1"));
}

#[tokio::test]
async fn a_preflight_is_answered() {
    let client = program::app().client().await;
    let request = client.options("/id").header("origin", "https://app.example.com");
    let answer = request.header("access-control-request-method", "DELETE").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.header("access-control-allow-methods").contains("DELETE"));
}

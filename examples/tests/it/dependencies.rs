#[path = "../../dependencies.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use std::sync::Arc;

use program::Database;

#[tokio::test]
async fn a_key_becomes_a_user_in_one_session() {
    let database = Arc::new(Database::default());
    let client = program::app().shared_state(database.clone()).client().await;
    let answer = client.get("/me").header("x-api-key", "secret").await;
    assert_eq!(answer.json::<String>(), "Hello, Ada!");
    let log = database.0.lock().unwrap().clone();
    assert_eq!(log, ["select user", "update last_seen", "commit"]);
}

#[tokio::test]
async fn an_unknown_key_is_rolled_back() {
    let database = Arc::new(Database::default());
    let client = program::app().shared_state(database.clone()).client().await;
    assert_eq!(client.get("/me").header("x-api-key", "wrong").await.status(), 403);
    assert_eq!(*database.0.lock().unwrap(), ["select user", "roll back"]);
}

#[tokio::test]
async fn without_a_key_nothing_is_opened() {
    let database = Arc::new(Database::default());
    let client = program::app().shared_state(database.clone()).client().await;
    assert_eq!(client.get("/me").await.status(), 401);
    assert!(database.0.lock().unwrap().is_empty());
}

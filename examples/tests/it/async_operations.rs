#[path = "../../async_operations.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use serde_json::json;

#[tokio::test]
async fn one_prompt_has_one_answer() {
    let client = program::app().unwrap().client().await;
    let answer = client.post("/complete").json(&json!({ "prompt": "Hello" })).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.json::<String>().is_empty());
}

#[tokio::test]
async fn a_batch_keeps_its_order() {
    let client = program::app().unwrap().client().await;
    let alone = client.post("/complete").json(&json!({ "prompt": "Apples" })).await;
    let prompts: Vec<String> =
        (0..20).map(|n| format!("Question {n}")).chain(["Apples".into()]).collect();
    let answers = client.post("/batch").json(&json!({ "prompts": prompts })).await;
    let answers: Vec<Option<String>> = answers.json();
    assert_eq!(answers.len(), 21);
    assert_eq!(answers[20].as_deref(), Some(alone.json::<String>().as_str()));
    assert!(answers.iter().all(Option::is_some));
}

//! Prompts, and their arguments.

use alula::{
    mcp::{Content, Message},
    prelude::*,
};
use serde_json::json;

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Language {
    Python,
    Prolog,
    Rust,
}

/// Review code.
#[prompt(title = "Review")]
async fn review(
    /// The code.
    code: String,
    lines: Option<u32>,
    language: Option<Language>,
) -> Vec<Message> {
    let language = language.map_or("code", |language| match language {
        Language::Python => "Python",
        Language::Prolog => "Prolog",
        Language::Rust => "Rust",
    });
    vec![
        Message::user(format!("Review {} lines of this {language}:", lines.unwrap_or(10))),
        Message::user(Content::text(code)),
        Message::assistant("I will."),
    ]
}

fn app() -> App {
    App::new("Prompts", "1.0.0").prompt(review)
}

#[tokio::test]
async fn a_prompt_is_made_of_its_arguments() {
    let client = app().client().await;
    let arguments = json!({ "code": "x = 1", "lines": "3", "language": "rust" });
    let prompt = client.mcp().prompt("review", arguments).await;
    let message = |role: &str, text: &str| json!({ "role": role, "content": { "type": "text", "text": text } });
    let expected = json!([
        message("user", "Review 3 lines of this Rust:"),
        message("user", "x = 1"),
        message("assistant", "I will."),
    ]);
    assert_eq!(prompt.result()["messages"], expected);
    assert_eq!(prompt.result()["description"], "Review code.");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_named() {
    let client = app().client().await;
    let error = |arguments| {
        let mcp = client.mcp();
        let params = json!({ "name": "review", "arguments": arguments });
        async move { mcp.try_request("prompts/get", params).await.unwrap_err() }
    };
    let missing = error(json!({})).await;
    assert_eq!(missing, json!({ "code": -32602, "message": "code: Field required" }));
    let wrong = error(json!({ "code": "", "lines": "many" })).await;
    assert!(wrong["message"].as_str().unwrap().starts_with("lines: Input should be"), "{wrong}");
}

#[tokio::test]
async fn clients_read_what_a_prompt_takes() {
    let client = app().client().await;
    let arguments = json!([
        { "name": "code", "required": true, "description": "The code." },
        { "name": "lines", "required": false },
        { "name": "language", "required": false },
    ]);
    let expected = json!({
        "name": "review", "title": "Review", "description": "Review code.", "arguments": arguments,
    });
    assert_eq!(client.mcp().prompts().await, [expected]);
}

#[tokio::test]
async fn the_values_of_an_enum_are_completed() {
    let client = app().client().await;
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "review" },
        "argument": { "name": "language", "value": "p" },
    });
    let completion = client.mcp().request("completion/complete", params).await;
    assert_eq!(completion.result()["completion"]["values"], json!(["python", "prolog"]));
}

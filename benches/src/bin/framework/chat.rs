//! What the endpoint takes and gives back, and the bodies that are sent.

use alula::prelude::*;
use serde_json::{Value, json};

/// A chat request.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct Chat {
    #[schemars(length(min = 1, max = 200))]
    pub(crate) model: String,
    #[schemars(length(min = 1, max = 100))]
    pub(crate) messages: Vec<Message>,
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(crate) temperature: Option<f64>,
}

/// One turn.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct Message {
    pub(crate) role: Role,
    #[schemars(length(min = 1))]
    pub(crate) content: String,
}

/// Who speaks.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A body that is sent over and over.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) name: &'static str,
    pub(crate) json: String,
}

/// Two turns of about 300 bytes, and twenty turns of about 10 kB.
pub(crate) fn bodies() -> [Body; 2] {
    [
        Body { name: "2 turns", json: conversation(2, 90).to_string() },
        Body { name: "20 turns", json: conversation(20, 500).to_string() },
    ]
}

fn conversation(turns: usize, content_bytes: usize) -> Value {
    let sentence =
        "The alula is the small feather that lets a wing fly \"slowly\" without stalling.\n";
    let content: String = sentence.chars().cycle().take(content_bytes).collect();
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        roles.take(turns).map(|role| json!({"role": role, "content": content})).collect();
    json!({"model": "claude-sonnet-4-5", "messages": messages, "temperature": 0.7})
}

/// Bodies that every server has to refuse. None needs the leniency that FastAPI has and Alula has
/// only when asked, which would change the words.
pub(crate) fn invalid_bodies() -> Vec<Value> {
    let message = json!({"role": "user", "content": "Hello"});
    vec![
        json!({"model": "m", "messages": [message], "temperature": [1.0]}),
        json!({"model": "m", "messages": [message], "temperature": 2.5}),
        json!({"model": "m", "messages": []}),
        json!({"model": "m".repeat(201), "messages": [message]}),
        json!({"messages": [{"role": "robot", "content": ""}]}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_size_that_is_said_and_are_valid() {
        let [small, large] = bodies();
        assert!((280..360).contains(&small.json.len()), "{}", small.json.len());
        assert!((10_000..11_500).contains(&large.json.len()), "{}", large.json.len());
        for body in [small, large] {
            assert!(serde_json::from_str::<Chat>(&body.json).unwrap().is_valid());
        }
        for body in invalid_bodies() {
            assert!(!serde_json::from_value::<Chat>(body).is_ok_and(|chat| chat.is_valid()));
        }
    }
}

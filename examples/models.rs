//! Request and response models: nested types, enums, constraints, defaults, checks of your own.

use alula::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    User,
    Assistant,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Message {
    role: Role,
    #[schemars(length(min = 1, max = 10_000))]
    content: String,
}

/// A conversation. A field that nobody knows is refused.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct ChatRequest {
    #[schemars(length(min = 1, max = 100))]
    messages: Vec<Message>,
    #[validate(custom = known_model)]
    model: Option<String>,
    /// Sampling temperature.
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
}

fn known_model(model: &str) -> Result<(), &'static str> {
    let is_known = ["small", "large"].contains(&model);
    is_known.then_some(()).ok_or("no such model; there are small and large")
}

/// What a type has is what is sent: nothing slips out.
#[derive(Serialize, JsonSchema)]
struct ChatResponse {
    model: String,
    message: Message,
}

/// Continue a conversation.
#[post("/chat", tag = "Chat", status = 201)]
async fn chat(Json(request): Json<ChatRequest>) -> Json<ChatResponse> {
    let model = request.model.unwrap_or_else(|| "small".to_owned());
    let content = format!("{} messages, {:?}", request.messages.len(), request.temperature);
    Json(ChatResponse { model, message: Message { role: Role::Assistant, content } })
}

pub(crate) fn app() -> App {
    App::new("Models", "1.0.0").routes(routes![chat])
}

#[tokio::main]
async fn main() -> Result<()> {
    app().serve("127.0.0.1:8000").await
}

use alula::prelude::*;

/// A chat turn.
#[derive(Deserialize, JsonSchema, Validate)]
struct ChatRequest {
    #[schemars(length(min = 1, max = 10_000))]
    message: String,
    /// Sampling temperature.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct ChatResponse {
    response: String,
}

/// The caller, looked up from the `x-api-key` header.
#[dependency]
async fn current_user(key: ApiKey) -> Result<String> {
    match key.as_str() {
        "secret" => Ok("ada".to_owned()),
        _ => Err(HttpError::forbidden("unknown key")),
    }
}

/// Chat with a parrot.
///
/// The first paragraph is the summary in the documentation, the rest its description.
#[post("/chat", tag = "Chat")]
async fn chat(user: Depends<current_user>, Json(request): Json<ChatRequest>) -> Json<ChatResponse> {
    Json(ChatResponse { response: format!("{} said: {}", *user, request.message) })
}

fn app() -> App {
    App::new("Parrot", "1.0.0").include(Router::new().prefix("/v1").routes(routes![chat]))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init(); // shows the address, the access log, the causes of errors
    app().serve("127.0.0.1:8000").await
}

#[tokio::test]
async fn a_temperature_that_is_too_high() {
    let client = app().override_dependency::<current_user>(|| "test".to_owned()).client().await;
    let body = serde_json::json!({"message": "hi", "temperature": 9});
    let response = client.post("/v1/chat").json(&body).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.text(),
        r#"{"detail":[{"type":"less_than_equal","loc":["body","temperature"],"msg":"Input should be less than or equal to 2","input":9,"ctx":{"le":2.0}}]}"#
    );
}

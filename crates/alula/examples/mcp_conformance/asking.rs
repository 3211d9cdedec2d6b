//! Tools and a prompt that ask the client, or its user.

use alula::{mcp::Elicited, prelude::*};
use serde_json::{Value, json};

pub(super) fn add(app: App) -> App {
    app.tool(test_sampling)
        .tool(test_elicitation)
        .tool(test_elicitation_sep1034_defaults)
        .tool(test_elicitation_sep1330_enums)
        .tool(test_missing_capability)
        .tool(test_streaming_elicitation)
        .tool(test_input_required_result_elicitation)
        .tool(test_input_required_result_sampling)
        .tool(test_input_required_result_list_roots)
        .tool(test_input_required_result_request_state)
        .tool(test_input_required_result_multiple_inputs)
        .tool(test_input_required_result_multi_round)
        .tool(test_input_required_result_tampered_state)
        .tool(test_input_required_result_capabilities)
        .prompt(test_input_required_result_prompt)
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Name {
    name: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Color {
    color: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Confirmation {
    ok: bool,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Context {
    context: String,
}

/// A request for what a model of the client says.
fn sample(text: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    json!({ "messages": [message], "maxTokens": 100 })
}

/// What the model has said.
fn said(answer: &Value) -> &str {
    answer.pointer("/content/text").and_then(Value::as_str).unwrap_or("no text")
}

fn told(answer: &Elicited<Value>) -> ToolResult {
    let (action, content) = match answer {
        Elicited::Accepted(content) => ("accept", content.to_string()),
        Elicited::Declined => ("decline", "null".to_owned()),
        Elicited::Cancelled => ("cancel", "null".to_owned()),
    };
    ToolResult::text(format!("Elicitation completed: action={action}, content={content}"))
}

/// Asks a model of the client.
#[tool]
async fn test_sampling(
    /// The prompt to send
    prompt: String,
    context: McpContext,
) -> Result<ToolResult> {
    let answer = context.ask("sampling/createMessage", sample(&prompt)).await?;
    Ok(ToolResult::text(format!("LLM response: {}", said(&answer))))
}

/// Asks the user.
#[tool]
async fn test_elicitation(
    /// The message to show
    message: String,
    context: McpContext,
) -> Result<ToolResult> {
    let field = json!({ "type": "string", "description": "User's response" });
    let schema = json!({
        "type": "object",
        "properties": { "username": field, "email": field },
        "required": ["username", "email"],
    });
    Ok(told(&context.elicit_value(message, schema).await?))
}

/// Asks the user, with defaults.
#[tool]
async fn test_elicitation_sep1034_defaults(context: McpContext) -> Result<ToolResult> {
    let status = ["active", "inactive", "pending"];
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": status, "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
        "required": [],
    });
    Ok(told(&context.elicit_value("Please check these", schema).await?))
}

/// Asks the user to choose.
#[tool]
async fn test_elicitation_sep1330_enums(context: McpContext) -> Result<ToolResult> {
    let plain = ["option1", "option2", "option3"];
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    let (old, names) = (["opt1", "opt2", "opt3"], ["Option One", "Option Two", "Option Three"]);
    let schema = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled },
            "legacyEnum": { "type": "string", "enum": old, "enumNames": names },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled } },
        },
        "required": [],
    });
    Ok(told(&context.elicit_value("Please choose", schema).await?))
}

/// Needs what the client may lack.
#[tool]
async fn test_missing_capability(context: McpContext) -> Result<ToolResult> {
    context.ask("sampling/createMessage", sample("Hello")).await?;
    Ok(ToolResult::text("The client can sample"))
}

/// Asks, where a stream would be open.
#[tool]
async fn test_streaming_elicitation(context: McpContext) -> Result<ToolResult> {
    if !context.can_elicit() {
        return Ok(ToolResult::text("The client cannot ask its user"));
    }
    context.elicit::<Confirmation>("Go on?").await?;
    Ok(ToolResult::text("Streaming elicitation completed"))
}

/// Asks for a name.
#[tool]
async fn test_input_required_result_elicitation(context: McpContext) -> Result<ToolResult> {
    let name = context.elicit::<Name>("What is your name?").key("user_name").await?;
    let name = name.accepted().map_or_else(|| "stranger".to_owned(), |answer| answer.name);
    Ok(ToolResult::text(format!("Hello, {name}!")))
}

/// Asks a model of the client.
#[tool]
async fn test_input_required_result_sampling(context: McpContext) -> Result<ToolResult> {
    let question = sample("What is the capital of France?");
    let answer = context.ask("sampling/createMessage", question).key("capital_question").await?;
    Ok(ToolResult::text(said(&answer)))
}

/// Asks for the roots of the client.
#[tool]
async fn test_input_required_result_list_roots(context: McpContext) -> Result<ToolResult> {
    let answer = context.ask("roots/list", json!({})).key("client_roots").await?;
    Ok(ToolResult::text(format!("Roots: {answer}")))
}

/// Asks to confirm, and knows it later.
#[tool]
async fn test_input_required_result_request_state(context: McpContext) -> Result<ToolResult> {
    context.elicit::<Confirmation>("Please confirm").key("confirm").await?;
    Ok(ToolResult::text("state-ok"))
}

/// Asks three things at once.
#[tool]
async fn test_input_required_result_multiple_inputs(context: McpContext) -> Result<ToolResult> {
    let name = context.elicit::<Name>("What is your name?").key("user_name").into_future();
    let greeting = sample("Generate a greeting");
    let greeting = context.ask("sampling/createMessage", greeting).key("greeting").into_future();
    let roots = context.ask("roots/list", json!({})).key("client_roots").into_future();
    let (name, greeting, roots) = tokio::join!(name, greeting, roots);
    let name = name?.accepted().map(|answer| answer.name);
    Ok(ToolResult::text(format!("{name:?} {} {}", greeting?, roots?)))
}

/// Asks one thing after the other.
#[tool]
async fn test_input_required_result_multi_round(context: McpContext) -> Result<ToolResult> {
    let name = context.elicit::<Name>("Step 1: What is your name?").key("step1").await?;
    let color =
        context.elicit::<Color>("Step 2: What is your favorite color?").key("step2").await?;
    let (name, color) = (name.accepted().map(|it| it.name), color.accepted().map(|it| it.color));
    Ok(ToolResult::text(format!("{name:?} likes {color:?}")))
}

/// Asks to confirm; what the client keeps meanwhile nobody can change.
#[tool]
async fn test_input_required_result_tampered_state(context: McpContext) -> Result<ToolResult> {
    context.elicit::<Confirmation>("Please confirm").key("confirm").await?;
    Ok(ToolResult::text("state-ok"))
}

/// Asks what the client is capable of answering.
#[tool]
async fn test_input_required_result_capabilities(context: McpContext) -> Result<ToolResult> {
    if context.can_elicit() {
        context.elicit::<Name>("What is your name?").key("user_name").await?;
    }
    if context.can_sample() {
        context.ask("sampling/createMessage", sample("Hello")).key("greeting").await?;
    }
    Ok(ToolResult::text("Asked what can be answered"))
}

/// A prompt that needs to know more.
#[prompt]
async fn test_input_required_result_prompt(context: McpContext) -> Result<String> {
    let question = "What context should the prompt use?";
    let answer = context.elicit::<Context>(question).key("user_context").await?;
    let text = answer.accepted().map_or_else(|| "none".to_owned(), |answer| answer.context);
    Ok(format!("Use this context: {text}"))
}

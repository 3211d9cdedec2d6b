//! Tools that only answer.

use alula::{
    mcp::{Content, Contents},
    prelude::*,
};

use super::{IMAGE, SOUND};

pub(super) fn add(app: App) -> App {
    app.tool(test_simple_text)
        .tool(test_image_content)
        .tool(test_audio_content)
        .tool(test_embedded_resource)
        .tool(test_multiple_content_types)
        .tool(test_error_handling)
}

/// Returns simple text.
#[tool]
async fn test_simple_text() -> ToolResult {
    ToolResult::text("This is a simple text response for testing.")
}

/// Returns an image.
#[tool]
async fn test_image_content() -> Content {
    Content::image(IMAGE, "image/png")
}

/// Returns a sound.
#[tool]
async fn test_audio_content() -> Content {
    Content::audio(SOUND, "audio/wav")
}

/// Returns a resource.
#[tool]
async fn test_embedded_resource() -> Content {
    let text = "This is an embedded resource content.";
    Content::resource(Contents::text("test://embedded-resource", text))
}

/// Returns several kinds of content.
#[tool]
async fn test_multiple_content_types() -> ToolResult {
    let json = Contents::text("test://mixed-content-resource", r#"{"test":"data","value":123}"#);
    ToolResult::text("Multiple content types test:")
        .with(Content::image(IMAGE, "image/png"))
        .with(Content::resource(json.mime_type("application/json")))
}

/// Always fails.
#[tool]
async fn test_error_handling() -> Result<String> {
    Err(HttpError::bad_request("This tool intentionally returns an error for testing"))
}

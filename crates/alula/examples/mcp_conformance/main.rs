//! The fixtures that the conformance suite of MCP asks for: `--port P`, at `/mcp`.

mod asking;
mod plain;
mod schemas;
mod telling;

use alula::{
    mcp::{Content, Contents, Message},
    prelude::*,
};

/// A red pixel.
const IMAGE: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53,
    0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00,
    0x00, 0x03, 0x01, 0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e,
    0x44, 0xae, 0x42, 0x60, 0x82,
];
/// No sound.
const SOUND: &[u8] = &[
    b'R', b'I', b'F', b'F', 0x24, 0, 0, 0, b'W', b'A', b'V', b'E', b'f', b'm', b't', b' ', 0x10, 0,
    0, 0, 1, 0, 1, 0, 0x44, 0xac, 0, 0, 0x88, 0x58, 1, 0, 2, 0, 0x10, 0, b'd', b'a', b't', b'a', 0,
    0, 0, 0,
];

/// A text that stays.
#[resource("test://static-text")]
async fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// A picture that stays.
#[resource("test://static-binary", mime_type = "image/png")]
async fn static_binary() -> Vec<u8> {
    IMAGE.to_vec()
}

/// A text that clients watch.
#[resource("test://watched-resource")]
async fn watched_resource() -> &'static str {
    "Watched resource content."
}

/// What a template gives.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TemplateData {
    id: String,
    template_test: bool,
    data: String,
}

/// Data by its id.
#[resource("test://template/{id}/data")]
async fn template(id: String) -> Json<TemplateData> {
    let data = format!("Data for ID: {id}");
    Json(TemplateData { id, template_test: true, data })
}

/// A prompt without arguments.
#[prompt]
async fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

async fn arguments() -> Vec<&'static str> {
    vec!["paris", "park", "party"]
}

/// A prompt with arguments.
#[prompt(complete(arg1 = arguments))]
async fn test_prompt_with_arguments(
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

/// A prompt with a resource in it.
#[prompt]
async fn test_prompt_with_embedded_resource(
    /// URI of the resource to embed
    #[serde(rename = "resourceUri")]
    resource_uri: String,
) -> [Message; 2] {
    let contents = Contents::text(resource_uri, "Embedded resource content for testing.");
    [
        Message::user(Content::resource(contents)),
        Message::user("Please process the embedded resource above."),
    ]
}

/// A prompt with a picture.
#[prompt]
async fn test_prompt_with_image() -> [Message; 2] {
    [
        Message::user(Content::image(IMAGE, "image/png")),
        Message::user("Please analyze the image above."),
    ]
}

fn app() -> App {
    let app = App::new("alula-conformance", "1.0.0")
        .mcp("/mcp")
        .resource(static_text)
        .resource(static_binary)
        .resource(watched_resource)
        .resource(template)
        .prompt(test_simple_prompt)
        .prompt(test_prompt_with_arguments)
        .prompt(test_prompt_with_embedded_resource)
        .prompt(test_prompt_with_image);
    schemas::add(telling::add(asking::add(plain::add(app))))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip_while(|word| word != "--port").skip(1);
    match arguments.next() {
        Some(port) => app().serve(&format!("127.0.0.1:{port}")).await,
        None => app().serve_stdio().await,
    }
}

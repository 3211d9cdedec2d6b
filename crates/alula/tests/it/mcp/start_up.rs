//! What stops an application with tools from starting, and what it says then.

use alula::{
    mcp::{Access, Arguments, Completing, McpSettings, ProtectedResource},
    prelude::*,
};

/// Fine.
#[tool]
async fn fine() {}

/// Named as another one.
#[tool(name = "fine")]
async fn again() {}

/// Named oddly.
#[tool(name = "not a name!")]
async fn odd() {}

struct Missing;

/// Needs what is not there.
#[tool]
async fn needy(_state: State<Missing>) {}

/// Has no object for arguments.
#[tool]
async fn listed(Arguments(_list): Arguments<Vec<u8>>) {}

/// Has two types for arguments.
#[tool]
async fn twice(_one: Arguments<Thing>, _two: Arguments<Thing>) {}

#[derive(Deserialize, JsonSchema, Validate)]
struct Thing {
    size: u8,
}

/// Repeats a number in a header.
#[tool]
async fn header(#[schemars(extend("x-mcp-header" = "Size"))] _size: f64) {}

/// Has no scheme.
#[resource("readme")]
async fn unschemed() -> String {
    String::new()
}

/// Cannot do without a parameter of its query.
#[resource("docs://list{?page}")]
async fn demanding(page: u32) -> String {
    page.to_string()
}

async fn nothing(_: Completing) -> Vec<String> {
    vec![]
}

/// Completes what it does not take.
#[prompt(complete(other = nothing))]
async fn completed(text: String) -> String {
    text
}

/// An endpoint that knows of the call.
#[get("/context")]
async fn context(_: McpContext) {}

/// An endpoint with a form.
#[post("/form", tool)]
async fn form(_: Form<Fields>) {}

#[derive(Deserialize, JsonSchema, Validate)]
struct Fields {
    name: String,
}

#[tokio::test]
async fn every_mistake_is_told() {
    let settings = McpSettings::new()
        .allowed_origins(["example.com"])
        .state_key(*b"short")
        .stdio_header("a b", "c");
    let app = App::new("x", "1")
        .mcp("/mcp")
        .mcp_settings(settings)
        .mcp_auth(ProtectedResource::new("/mcp"))
        .tool(fine)
        .tool(again)
        .tool(odd)
        .tool(needy)
        .tool(listed)
        .tool(twice)
        .tool(header)
        .resource(unschemed)
        .resource(demanding)
        .prompt(completed)
        .routes(routes![context, form]);
    let error = app.openapi().unwrap_err().to_string();
    assert_all(
        &error,
        &[
            "two tools are called `fine`",
            "tool `not a name!`: a name has 1 to 64 letters",
            "tool `needy`: it uses `State<it::mcp::start_up::Missing>`",
            "tool `listed`: its arguments are an object",
            "tool `twice`: two inputs are its arguments",
            "tool `header`: `_size` cannot be a header",
            "resource `readme`: a URI begins with a scheme",
            "the argument `page` may be missing in its URI: make it an `Option`",
            "prompt `completed`: `other` is completed, but is no argument",
            "GET /context: an `McpContext` is for functions with `#[tool]`",
            "POST /form: as a tool it can have a body in JSON only",
            "`/mcp` is no absolute URL of the MCP endpoint",
            "MCP: `example.com` is not an origin",
            "MCP: the `state_key` has less than 32 bytes",
            "MCP: `a b` is no header",
        ],
    );
}

fn assert_all(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in {error}");
    }
}

/// What everything else needs.
#[dependency]
async fn check() -> Result<()> {
    Ok(())
}

/// Everything.
#[dependency]
async fn access() -> Result<Access> {
    Ok(Access::all())
}

#[test]
fn what_would_not_protect_a_mounted_app_is_told() {
    let inner = || App::new("inner", "1").tool(fine);
    let around = |app: App| App::new("x", "1").mcp("/mcp").mount("/admin", app).openapi();
    assert!(around(inner()).is_ok());
    let guarded = inner()
        .depends::<check>()
        .layer(tower_layer::Identity::new())
        .mcp_access::<access>()
        .mcp_around(|request, next| next.run(request))
        .mcp_settings(McpSettings::new().instructions("Look first."));
    let error = around(guarded).unwrap_err().to_string();
    for part in ["depends", "layer", "mcp_access", "mcp_around", "mcp_settings"] {
        let text = format!("mounted at `/admin`: its `{part}` does not hold for what it offers");
        assert!(error.contains(&text), "{error}");
    }
    // It serves its tools itself.
    assert!(around(inner().depends::<check>().mcp("/mcp")).is_ok());
}

#[test]
fn names_are_looked_at_with_what_is_before_them() {
    let path = format!("/{}", "x".repeat(61));
    let app = App::new("x", "1").mcp("/mcp");
    let error = app.mount(&path, App::new("inner", "1").tool(fine)).openapi().unwrap_err();
    assert_all(&error.to_string(), &["x_fine`: a name has 1 to 64 letters"]);
}

//! What the server offers to programs that talk to models, by the Model Context Protocol.

mod documents;
mod prompts;
mod tools;

use alula::{App, mcp::McpSettings};

use crate::dependencies::mcp_access;

/// Where it is served over HTTP.
pub(crate) const PATH: &str = "/mcp";

const INSTRUCTIONS: &str = "\
Models of several providers behind one server. `run_chat` asks one of them; name it as \
`provider/model`, or leave `model` out for the server's own choice. Documents that were given to \
the server are found by `search_documents`, and answered from by `ask_documents`.";

/// How it is served.
#[derive(Debug, Clone, Default)]
pub(crate) struct McpServing {
    /// Pages of these origins may use it, beside those of the server itself.
    pub(crate) origins: Vec<String>,
    /// Whether other processes answer at the same address, which do not know a session of this one.
    pub(crate) is_one_of_several: bool,
    /// What requests over stdio are taken to show.
    pub(crate) key: Option<String>,
}

/// Offers all there is.
pub(crate) fn offered(app: App, serving: McpServing) -> App {
    app.mcp(PATH)
        .mcp_settings(serving.settings())
        .mcp_access::<mcp_access>()
        .tool(tools::run_chat)
        .tool(documents::search_documents)
        .tool(documents::ask_documents)
        .tool(documents::list_documents)
        .resource(documents::document)
        .resource(documents::document_chunk)
        .prompt(prompts::code_review)
        .prompt(prompts::summarize)
        .prompt(documents::answer_from_documents)
}

impl McpServing {
    fn settings(self) -> McpSettings {
        let Self { origins, is_one_of_several, key } = self;
        let settings = McpSettings::new()
            .name("alula")
            .instructions(INSTRUCTIONS)
            // Names are judged by `this_machine`: without keys only those of this machine are
            // good, and with them a page would need one.
            .allowed_hosts(["*"])
            .allowed_origins(origins)
            .origins_setting("ALULA_MCP_ORIGINS");
        let settings = match is_one_of_several {
            true => settings.sessions(false),
            false => settings,
        };
        match key {
            Some(key) => settings.stdio_header("authorization", &format!("Bearer {key}")),
            None => settings,
        }
    }
}

//! The tools that a model may call in one answer, under names that every provider takes.

use std::{collections::HashMap, sync::Arc};

use alula::{
    HttpError, Result,
    mcp::{
        Client,
        client::{CallResult, ClientError},
    },
};
use alula_llm::{Tool, model::FunctionTool};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{Servers, server::McpServer};

/// The longest name of a function that all providers take.
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Toolbox {
    tools: HashMap<String, Entry>,
    offered: Vec<Tool>,
}

#[derive(Debug)]
struct Entry {
    server: Arc<str>,
    tool: String,
    client: Client,
}

impl Toolbox {
    /// The tools of these servers.
    ///
    /// # Errors
    ///
    /// If a server cannot be reached. An answer without its tools would be another one.
    pub(super) async fn open(servers: &Servers) -> Result<Self> {
        let listed = servers.iter().map(|(name, server)| listed(name, server));
        let mut toolbox = Self::default();
        for (server, client, tools) in try_join_all(listed).await? {
            for tool in &*tools {
                let name = toolbox.free_name(&format!("{server}__{}", tool.name));
                let schema = match &tool.input_schema {
                    Value::Null => json!({ "type": "object" }),
                    schema => schema.clone(),
                };
                let about = tool.description.as_deref().or(tool.title.as_deref());
                let function = FunctionTool::new(&name, about.unwrap_or_default(), schema);
                toolbox.offered.push(function.into());
                let (server, client) = (server.clone(), client.clone());
                toolbox.tools.insert(name, Entry { server, tool: tool.name.clone(), client });
            }
        }
        Ok(toolbox)
    }

    pub(super) fn offered(&self) -> &[Tool] {
        &self.offered
    }

    /// The server and the tool that a model calls by this name.
    pub(super) fn find(&self, name: &str) -> Option<(&Arc<str>, &str)> {
        self.tools.get(name).map(|entry| (&entry.server, entry.tool.as_str()))
    }

    pub(super) async fn call(
        &self,
        name: &str,
        arguments: Value,
    ) -> Result<CallResult, ClientError> {
        match self.tools.get(name) {
            Some(Entry { client, tool, .. }) => client.call(tool, arguments).await,
            None => Err(ClientError::Protocol(format!("there is no tool {name:?}"))),
        }
    }

    /// A name that every provider takes, and no other tool has.
    fn free_name(&self, wanted: &str) -> String {
        let plain = |char: char| match char {
            char if char.is_ascii_alphanumeric() || char == '-' => char,
            _ => '_',
        };
        let name: String = wanted.chars().map(plain).take(NAME_CHARS_MAX).collect();
        let mut free = name.clone();
        let mut number = 2_usize;
        while self.tools.contains_key(&free) {
            let end = format!("_{number}");
            let start: String = name.chars().take(NAME_CHARS_MAX - end.len()).collect();
            free = start + &end;
            number += 1;
        }
        free
    }
}

type Listed = (Arc<str>, Client, Arc<[alula::mcp::client::Tool]>);

async fn listed(name: &str, server: &McpServer) -> Result<Listed> {
    let unusable = |error: ClientError| {
        let detail = format!("The MCP server {name:?} cannot be used now");
        HttpError::new(502, detail).retry_after(5).because(error)
    };
    let (client, tools) = server.tools().await.map_err(unusable)?;
    Ok((name.into(), client, tools))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_providers_take() {
        let toolbox = Toolbox::default();
        assert_eq!(toolbox.free_name("notes__read file.ü"), "notes__read_file__");
        assert_eq!(toolbox.free_name(&"a".repeat(100)), "a".repeat(64));
    }
}

//! Inputs of functions that are called over MCP.

use serde_json::Value;

use super::{Operation, Plan, Root};
use crate::schema::Parameter;

/// What the inputs of such a function say of its arguments.
#[derive(Debug, Default)]
pub(super) struct McpParts {
    /// The schema of the arguments of a tool.
    arguments: Option<Value>,
    /// The texts that a resource or a prompt is called with.
    variables: Vec<Parameter>,
}

impl Root {
    /// The schema with its definitions beside it.
    pub(crate) fn with_definitions(&self) -> Value {
        self.generated.with_definitions()
    }
}

impl<'a> Operation<'a> {
    /// The inputs of a tool, a resource or a prompt.
    pub(crate) fn of_mcp(plan: &'a mut Plan, title: &'a str) -> Self {
        let mut operation = Self::new(plan, title, &[], false);
        operation.mcp = Some(McpParts::default());
        operation
    }

    /// Ends the inputs: those that check scopes know from now on which are demanded.
    pub(crate) fn finish_of_mcp(&mut self) {
        let security = std::mem::take(&mut self.security);
        let (_, mistakes) = security.finish(&self.plan.security_schemes);
        mistakes.into_iter().for_each(|mistake| self.mistake(mistake));
    }

    /// Says that an input is for functions that are called over MCP only.
    pub(crate) fn needs_mcp(&mut self, what: &str) {
        if self.mcp.is_none() {
            self.mistake(format!(
                "{what} is for functions with `#[tool]`, `#[resource]` or `#[prompt]`"
            ));
        }
    }

    pub(crate) fn set_arguments(&mut self, schema: Value) {
        let known = self.mcp.as_mut().map(|mcp| mcp.arguments.replace(schema));
        if let Some(Some(_)) = known {
            self.mistake("two inputs are its arguments; let one struct hold them all");
        }
    }

    pub(crate) fn take_arguments(&mut self) -> Option<Value> {
        self.mcp.as_mut()?.arguments.take()
    }

    pub(crate) fn set_variables(&mut self, variables: Vec<Parameter>) {
        if let Some(mcp) = &mut self.mcp {
            mcp.variables = variables;
        }
    }

    pub(crate) fn take_variables(&mut self) -> Vec<Parameter> {
        self.mcp.as_mut().map(|mcp| std::mem::take(&mut mcp.variables)).unwrap_or_default()
    }
}

//! Tools that say something while they work, and of changes.

use std::time::Duration;

use alula::{mcp::Mcp, prelude::*};
use tokio::time::sleep;

pub(super) fn add(app: App) -> App {
    app.tool(test_tool_with_logging)
        .tool(test_logging_tool)
        .tool(test_tool_with_progress)
        .tool(test_trigger_tool_change)
        .tool(test_trigger_prompt_change)
        .tool(test_reconnection)
}

/// Writes to the log of the client.
#[tool]
async fn test_tool_with_logging(context: McpContext) -> ToolResult {
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        context.info(text).await;
        sleep(Duration::from_millis(50)).await;
    }
    ToolResult::text("Logging test completed")
}

/// Writes to the log of the client, if that wants it.
#[tool]
async fn test_logging_tool(context: McpContext) -> ToolResult {
    context.info("Logging tool called").await;
    ToolResult::text("Logging tool completed")
}

/// Tells how far it is.
#[tool]
async fn test_tool_with_progress(context: McpContext) -> ToolResult {
    for done in [0.0, 50.0, 100.0] {
        context.progress(done, 100.0, "working").await;
        sleep(Duration::from_millis(50)).await;
    }
    ToolResult::text("Progress test completed")
}

/// Says that the tools are others than before, a while later too.
#[tool]
async fn test_trigger_tool_change(mcp: Mcp, tasks: BackgroundTasks) -> ToolResult {
    mcp.tools_changed();
    tasks.add(async move {
        sleep(Duration::from_millis(100)).await;
        mcp.tools_changed();
    });
    ToolResult::text("Tools have changed")
}

/// Says that the prompts are others than before, a while later too.
#[tool]
async fn test_trigger_prompt_change(mcp: Mcp, tasks: BackgroundTasks) -> ToolResult {
    mcp.prompts_changed();
    tasks.add(async move {
        sleep(Duration::from_millis(100)).await;
        mcp.prompts_changed();
    });
    ToolResult::text("Prompts have changed")
}

/// Is read to its end, however the connection goes.
#[tool]
async fn test_reconnection() -> ToolResult {
    ToolResult::text("Reconnection test completed")
}

"""The clients of FastMCP and of the Python SDK, of `alula mcp` and of `alula serve`: PROGRAM URL."""

import asyncio
import sys

import fastmcp
import mcp
from fastmcp.client.transports import StdioTransport

ENVIRONMENT = {"DATABASE_URL": "sqlite::memory:", "OLLAMA_HOST": "http://127.0.0.1:1"}
QUESTION = {"message": "What is an alula?", "temperature": "0.5"}


async def use_fastmcp(name, transport):
    async with fastmcp.Client(transport) as client:
        assert "run_chat" in [tool.name for tool in await client.list_tools()]
        result = await client.call_tool("run_chat", QUESTION)
        assert "demo" in result.content[0].text, result
        assert result.structured_content["model"].startswith("demo"), result
        try:
            await client.call_tool("run_chat", {"message": ""})
            raise AssertionError("no error")
        except fastmcp.exceptions.ToolError as error:
            assert "message" in str(error), error
        prompt = await client.get_prompt("code_review", {"code": "x = 1", "language": "Python"})
        assert "security" in prompt.messages[0].content.text, prompt
    print(f"MCP: fastmcp {fastmcp.__version__} asks a model by {name}")


async def use_sdk(name, transport):
    async with mcp.Client(transport) as client:
        assert "run_chat" in [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("run_chat", QUESTION)
        assert "demo" in result.content[0].text, result
    print(f"MCP: the Python SDK asks a model by {name}")


async def main(program, url):
    await use_fastmcp("alula mcp", StdioTransport(program, ["mcp"], env=ENVIRONMENT))
    await use_fastmcp("/mcp", url)
    parameters = mcp.StdioServerParameters(command=program, args=["mcp"], env=ENVIRONMENT)
    await use_sdk("alula mcp", parameters)
    await use_sdk("/mcp", url)


asyncio.run(main(*sys.argv[1:]))

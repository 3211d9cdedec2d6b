"""The clients of FastMCP and of the Python SDK, over stdio and HTTP: PROGRAM URL."""

import asyncio
import json
import sys

import fastmcp
import mcp
from fastmcp.client.transports import StdioTransport


async def use_fastmcp(name, transport):
    async with fastmcp.Client(transport) as client:
        tools = [tool.name for tool in await client.list_tools()]
        assert "test_simple_text" in tools, tools
        result = await client.call_tool("test_header_tool", {"region": "west", "count": 2})
        assert result.structured_content == {"result": "west: Some(2)"}, result
        try:
            await client.call_tool("test_error_handling", {})
            raise AssertionError("no error")
        except fastmcp.exceptions.ToolError as error:
            assert "intentionally" in str(error), error
        [contents] = await client.read_resource("test://template/7/data")
        assert json.loads(contents.text)["id"] == "7", contents
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        assert "arg1='a'" in prompt.messages[0].content.text, prompt
    print(f"MCP: fastmcp {fastmcp.__version__} over {name}")


async def use_sdk(name, transport):
    async with mcp.Client(transport) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert "test_simple_text" in tools, tools
        result = await client.call_tool("test_simple_text", {})
        assert result.content[0].text.startswith("This is a simple text"), result
    print(f"MCP: the Python SDK over {name}")


async def main(program, url):
    await use_fastmcp("stdio", StdioTransport(program, []))
    await use_fastmcp("HTTP", url)
    await use_sdk("stdio", mcp.StdioServerParameters(command=program))
    await use_sdk("HTTP", url)


asyncio.run(main(*sys.argv[1:]))

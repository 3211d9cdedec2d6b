"""The same server in FastMCP: TOOLS for stdio, TOOLS PORT for HTTP without sessions, with JSON."""

import sys
from typing import Annotated

from fastmcp import FastMCP
from pydantic import BaseModel, Field

mcp = FastMCP("Calculator")


class Sum(BaseModel):
    sum: int


def add(
    a: Annotated[int, Field(description="The first one.")],
    b: Annotated[int, Field(description="The second one.")],
) -> Sum:
    """Add two numbers."""
    return Sum(sum=a + b)


mcp.tool(add)
for number in range(1, int(sys.argv[1])):
    mcp.tool(add, name=f"add_{number}")

if len(sys.argv) > 2:
    mcp.run(
        transport="http",
        host="127.0.0.1",
        port=int(sys.argv[2]),
        show_banner=False,
        stateless_http=True,
        json_response=True,
        uvicorn_config={"access_log": False, "log_level": "warning"},
    )
else:
    mcp.run(show_banner=False)

"""FastMCP's client, as an agent. Reads {"url", "token"} from standard input; writes one line of JSON."""

import asyncio
import json
import sys

from fastmcp import Client  # in an environment of its own


async def main() -> None:
    settings = json.load(sys.stdin)
    seen: list[tuple[float, float | None]] = []

    async def follow(progress: float, total: float | None, _message: str | None) -> None:
        seen.append((progress, total))

    async with Client(settings["url"], auth=settings["token"]) as client:
        tools = await client.list_tools()
        ran = await client.call_tool("run_my_open_incidents", {"limit": 1}, progress_handler=follow)
        resources = await client.list_resources()
    answer = {
        "names": [tool.name for tool in tools],
        "ran": ran.structured_content,
        "progress": seen,
        "resources": [str(resource.uri) for resource in resources],
    }
    print(json.dumps(answer))


asyncio.run(main())

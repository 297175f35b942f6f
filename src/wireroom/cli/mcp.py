"""`wireroom mcp`: the tools for a coding agent, over standard input and output."""

from __future__ import annotations

from wireroom.cli.session import open_services, run


def mcp() -> None:
    """Serve tools to an MCP client over standard input and output, until the input ends.

    Nothing is run here: tools store what is wanted, and a running Wireroom does it.
    """

    async def work() -> None:
        from mcp.server.stdio import stdio_server  # noqa: PLC0415 - heavy; see cli.main

        from wireroom.app.mcp import tools_beside_the_service  # noqa: PLC0415 - as above
        from wireroom.mcp.server import make_server  # noqa: PLC0415 - as above

        async with open_services() as services, stdio_server() as (incoming, outgoing):
            server = make_server(tools_beside_the_service(services))
            await server.run(incoming, outgoing, server.create_initialization_options())

    run(work())

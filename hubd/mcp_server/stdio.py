"""The server on standard input and output, as clients start it: `hubctl mcp`.

Guarantee: only the protocol is written to standard output. It ends when its input ends.
"""

from __future__ import annotations

import anyio
from mcp.server.stdio import stdio_server

from hubd.layout import Layout
from hubd.mcp_server.asking import Asking
from hubd.mcp_server.server import Mailbox

__all__ = ["serve"]


def serve(layout: Layout, who: str) -> None:
    """Serve one client, as one agent, to its end."""
    asking = Asking(layout)
    try:
        anyio.run(_serve, asking, who or str(asking.ask("operator")["operator"]))
    finally:
        asking.close()


async def _serve(asking: Asking, who: str) -> None:
    server = Mailbox(asking, lambda _ctx: who).server()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

"""The real MCP client library on a mailbox: in this process, on stdio, over HTTP; old protocol and new."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning

from hubd.layout import Layout
from hubd.mcp_server.asking import Asking
from hubd.mcp_server.server import Mailbox
from tests.shell.commands import ROOT, environment, program

T = TypeVar("T")
MODES = ("legacy", "2026-07-28")
"""The handshake of 2025, and the envelope on each request of 2026."""
DEADLINE = 30.0
Talk = Callable[[Client], Awaitable[T]]


@asynccontextmanager
async def here(root: Path, who: str = "lead", mode: str = "legacy", **more: Any) -> AsyncIterator[Client]:
    """A client of a server in this process."""
    asking = Asking(Layout(root))
    try:
        server = Mailbox(asking, lambda _ctx: who).server()
        async with Client(server, mode=mode, cache=None, **more) as client:
            yield client
    finally:
        asking.close()


@asynccontextmanager
async def on_stdio(root: Path, who: str = "lead", mode: str = "legacy", **more: Any) -> AsyncIterator[Client]:
    """A client of `hubctl mcp`, a process of its own."""
    command = program("-C", str(root), "--as", who, "mcp")
    started = StdioServerParameters(
        command=command[0], args=["-W", "error", *command[1:]], env=environment(), cwd=ROOT
    )
    async with Client(started, mode=mode, cache=None, **more) as client:
        yield client


@asynccontextmanager
async def over_http(port: int, token: str, mode: str = "legacy", **more: Any) -> AsyncIterator[Client]:
    """A client of `hubd --http`."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=DEADLINE) as http:
        transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
        async with Client(transport, mode=mode, cache=None, **more) as client:
            yield client


def talk(talking: Callable[[], Awaitable[T]]) -> T:
    """Run a conversation, to its end or to the deadline."""

    async def limited() -> T:
        with anyio.fail_after(DEADLINE):
            return await talking()

    with warnings.catch_warnings():
        # what older clients use is deprecated in newer ones, and is what is tried
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        return anyio.run(limited)


async def told(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """What a tool answers, as structured content; its text says the same."""
    done = await client.call_tool(tool, arguments)
    assert not done.is_error, done.content
    assert isinstance(done.structured_content, dict)
    return done.structured_content


async def failed(client: Client, tool: str, /, **arguments: Any) -> str:
    """What a tool says that does not answer."""
    done = await client.call_tool(tool, arguments)
    assert done.is_error, done.structured_content
    assert done.content[0].type == "text"
    return done.content[0].text


def settled(root: Path) -> Mapping[str, str]:
    """The same, once a running hubd has done what it does when nothing happens."""
    before, deadline = tree(root), time.monotonic() + DEADLINE
    while True:
        time.sleep(2.5)
        now = tree(root)
        if now == before:
            return now
        assert time.monotonic() < deadline, "it does not rest"
        before = now


def tree(root: Path) -> Mapping[str, str]:
    """Everything in a mailbox, .git included, but for the lock, the socket, tokens, and the pack that a
    running hubd holds open for what comes next.
    """
    found = {}
    for folder, _, names in os.walk(root):
        found[folder] = "folder"
        for name in names:
            path = Path(folder, name)
            if (
                path.is_file()
                and path.name not in ("lock", "tokens.json")
                and not name.startswith("tmp_pack_")
            ):
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

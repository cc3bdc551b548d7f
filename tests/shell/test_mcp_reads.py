"""Nothing that an MCP client can send changes a byte of the mailbox."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, types

from tests.shell.commands import Box, environment, make, program
from tests.shell.mcp_clients import MODES, here, on_stdio, talk, told, tree

HALF = "\ud800"
TEXTS = (
    "", "lead", "../../../etc/passwd", "agents/lead/inbox/x.md", "mailbox://document/../hub.yaml", "hub.yaml",
    "-rf", "--output=/tmp/x", "$(touch x)", "`touch x`", "a\nb", "a\0b", HALF, "x" * 10_000, "card.lead",
    ".git/hub/lock", "refs/hub/main", "HEAD", "%2e%2e", "{agent}", "'; drop table", "\u202e", "9" * 400,
)  # fmt: skip
VALUES: tuple[Any, ...] = (*TEXTS, 0, -1, 2**70, 1.5, True, None, [], [["a"]], {}, {"do": "submit"})
DOS = ("submit", "look", "stop", "write", "claim", "tools/write", "resources/write")
LISTS = ("hub_status", "agent_list", "inbox_list", "task_list", "run_list", "lease_list", "history")
PROBED = (
    "id",
    "agent",
    "text",
    "cursor",
    "limit",
    "task",
    "kind",
    "capability",
    "live",
    "waiting",
    "as",
    "do",
)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = make(tmp_path / "m")
    task = box.task("backend: Fix it")
    box.ok("approve", f"{task}.r1")
    # saved and not judged: whoever became the hub here would judge it
    (box.root / "agents/lead/outbox/note.md").write_text("---\nkind: message\nto: tester\nsubject: X\n---\n")
    return box


async def quietly(sent: Any) -> None:
    """An error is an answer too."""
    with suppress(MCPError, ValueError):
        await sent


async def hostile(client: Client, every: int = 1) -> None:
    """Everything that there is to send (or one of so many calls), with everything that might do harm.

    Half a character is sent in this process alone: on a wire the library itself fails on it.
    """
    texts = [text for text in TEXTS if every == 1 or text != HALF]
    tools = (await client.list_tools()).tools
    for tool in [*(t.name for t in tools), *DOS]:
        for at, name in enumerate(PROBED):
            for value in VALUES[at % every :: every]:
                if every > 1 and value == HALF:
                    continue
                await quietly(client.call_tool(tool, {name: value, **({"id": "x"} if name != "id" else {})}))
    for text in texts:
        for uri in (text, *(f"mailbox://{form}/{text}" for form in ("inbox", "document", "task", "other"))):
            await quietly(client.read_resource(uri))
        for prompt in ("claim", "hand_off", "review", "plan", text):
            await quietly(client.get_prompt(prompt, {"id": text}))
        await quietly(client.list_resources(cursor=text))
    for name in ("claim", "hand_off", "review", "plan"):
        await quietly(client.get_prompt(name, {}))


async def friendly(client: Client) -> None:
    """What clients usually send."""
    for tool in LISTS:
        await told(client, tool)
    for row in (await told(client, "search", text="i"))["documents"]:
        await told(client, "document_get", id=row["id"])
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)


@pytest.mark.parametrize("mode", MODES)
def test_no_call_changes_a_byte(box: Box, mode: str) -> None:
    before = tree(box.root)

    async def sending() -> None:
        async with here(box.root, mode=mode) as client:
            await friendly(client)
            await hostile(client)
            await friendly(client)

    talk(sending)
    assert tree(box.root) == before


def test_no_method_of_the_protocol_changes_a_byte_on_stdio(box: Box) -> None:
    before = tree(box.root)

    async def sending() -> None:
        async with on_stdio(box.root) as client:
            await friendly(client)
            for uri in ("mailbox://inbox/lead", "mailbox://inbox/../x"):
                await quietly(client.subscribe_resource(uri))
                await quietly(client.unsubscribe_resource(uri))
            await quietly(client.set_logging_level("debug"))
            await quietly(client.complete(types.PromptReference(name="claim"), {"name": "id", "value": "x"}))
            await friendly(client)

    talk(sending)
    assert tree(box.root) == before


def test_rubbish_on_standard_input_ends_nothing(box: Box) -> None:
    before = tree(box.root)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    lines = [
        "{", "[]", "null", "x" * 10_000, "[" * 50_000,
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json.dumps({"jsonrpc": "2.0", "id": 2, "method": "no/such"}),
        json.dumps(call(3, "search", text=HALF)), json.dumps(call(4, "x")), json.dumps(call(5, "hub_status")),
    ]  # fmt: skip
    started = subprocess.Popen(
        program("-C", str(box.root), "--as", "lead", "mcp"), env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with started:
        assert started.stdin
        assert started.stdout
        started.stdin.write("\n".join(lines) + "\n")
        started.stdin.flush()
        found = {}
        while not {2, 4, 5} <= set(found):
            line = json.loads(started.stdout.readline())
            found[line.get("id")] = line
        started.stdin.close()
        assert started.wait(20) == 0
    assert found[5]["result"]["structuredContent"]["you"] == "lead"
    assert "error" in found[2]
    assert found[4]["result"]["isError"]
    assert tree(box.root) == before


def call(id_: int, tool: str, **arguments: str) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": params}

"""The MCP tools: few, small, only reading, and each answer as its schema has it."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client

from tests.shell.commands import Box, make
from tests.shell.mcp_clients import MODES, failed, here, on_stdio, talk, told

NAMES = {
    "hub_status", "agent_list", "inbox_list", "document_get", "task_list", "task_get", "run_list",
    "lease_list", "history", "search",
}  # fmt: skip
TOKENS_MOST = 25_000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """A mailbox with a plan under way, one that ended, and a lease."""
    box = make(tmp_path_factory.mktemp("mcp") / "m")
    old = box.task(title="Tune the zither")
    box.ok("task", "close", old)
    task = box.task("backend: Fix the redirect", "tester: Review it")
    box.ok("approve", f"{task}.r1")
    box.ok("claim", f"{task}.r1.a1", who="backend")
    box.ok("lease", "acquire", "branch:main", who="lead")
    for n in range(3):
        box.ok("send", "--to", "lead", "--subject", f"News {n}", who="tester")
    return box


def task_of(box: Box) -> str:
    return str(box.json("task", "list")["tasks"][0]["id"])


def as_it_was(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


async def every_tool(client: Client, task: str) -> dict[str, dict[str, Any]]:
    needed: dict[str, dict[str, Any]] = {
        "document_get": {"id": task}, "task_get": {"id": task}, "search": {"text": "redirect"}
    }  # fmt: skip
    return {name: await told(client, name, **needed.get(name, {})) for name in sorted(NAMES)}


def test_the_list_is_small_and_every_tool_only_reads(box: Box) -> None:
    async def listing() -> Any:
        async with here(box.root) as client:
            return (await client.list_tools()).tools

    tools = talk(listing)
    assert {t.name for t in tools} == NAMES
    assert all(t.annotations and t.annotations.read_only_hint for t in tools)
    assert all(t.description and len(t.description) < 120 and t.output_schema for t in tools)
    text = json.dumps([t.model_dump(by_alias=True, exclude_none=True) for t in tools])
    assert len(text) / 4 < 3000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", [here, on_stdio], ids=["here", "stdio"])
def test_every_answer_is_as_its_schema_says_and_small(box: Box, mode: str, way: Any) -> None:
    async def asking() -> tuple[Any, Any]:
        connected: AbstractAsyncContextManager[Client] = way(box.root, mode=mode)
        async with connected as client:
            return (await client.list_tools()).tools, await every_tool(client, task_of(box))

    tools, answers = talk(asking)
    for tool in tools:
        jsonschema.validate(answers[tool.name], tool.output_schema)
        assert len(as_it_was(answers[tool.name])) / 4 < TOKENS_MOST


def test_the_text_of_an_answer_says_the_same_as_its_structure(box: Box) -> None:
    async def asking() -> Any:
        async with here(box.root) as client:
            return await client.call_tool("task_list", {})

    done = talk(asking)
    assert json.loads(done.content[0].text) == done.structured_content


def test_a_task_comes_with_its_rounds_assignments_and_runs(box: Box) -> None:
    async def asking() -> dict[str, Any]:
        async with here(box.root) as client:
            return await told(client, "task_get", id=task_of(box))

    task = talk(asking)
    assert [r["state"] for r in task["rounds"]] == ["dispatched"]
    assert [(a["to"], a["state"]) for a in task["assignments"]] == [
        ("backend", "claimed"), ("tester", "pending")
    ]  # fmt: skip
    assert task["handoffs"] == task["runs"] == []


def test_agents_are_found_by_what_they_can_do(box: Box) -> None:
    async def asking() -> list[str]:
        async with here(box.root) as client:
            return [a["name"] for a in (await told(client, "agent_list", capability="python"))["agents"]]

    assert talk(asking) == ["backend"]


def test_pages_follow_one_another_without_a_gap(box: Box) -> None:
    async def walk(client: Client, tool: str, key: str, field: str, **more: Any) -> list[Any]:
        found, cursor = [], ""
        while True:
            page = await told(client, tool, limit=1, **more, **({"cursor": cursor} if cursor else {}))
            found += [row[field] for row in page[key]]
            cursor = page["cursor"]
            if not cursor:
                return found

    async def asking() -> list[tuple[list[Any], list[Any]]]:
        async with here(box.root) as client:
            pairs = []
            for tool, key, field, more in (
                ("inbox_list", "documents", "id", {}), ("agent_list", "agents", "name", {}),
                ("history", "transitions", "seq", {}), ("search", "documents", "id", {"text": "the"}),
            ):  # fmt: skip
                whole = (await told(client, tool, limit=100, **more))[key]
                pairs.append(([row[field] for row in whole], await walk(client, tool, key, field, **more)))
            return pairs

    for whole, pages in talk(asking):
        assert len(whole) > 1
        assert pages == whole


def test_what_has_ended_is_found_too(box: Box) -> None:
    async def asking() -> list[Any]:
        async with here(box.root) as client:
            both = await told(client, "search", text="ZITHER tune")
            live = await told(client, "search", text="zither tune", live=True)
            return [[d["state"] for d in both["documents"]], live["documents"]]

    assert talk(asking) == [["closed"], []]


def test_a_long_document_comes_in_parts(box: Box) -> None:
    long = "Ein Satz mit Umlauten: äöü. " * 4000
    id_ = str(box.json("send", "--to", "lead", "--subject", "Long", "--body", long, who="tester")["id"])

    async def asking() -> str:
        async with here(box.root) as client:
            text, cursor = "", ""
            while True:
                part = await told(client, "document_get", id=id_, **({"cursor": cursor} if cursor else {}))
                assert len(as_it_was(part).encode()) / 2 < TOKENS_MOST
                text, cursor = text + part["text"], part["cursor"]
                if not cursor:
                    return text

    assert long.strip() in talk(asking)


def test_a_full_mailbox_still_gives_small_answers(tmp_path: Path) -> None:
    box = make(tmp_path / "m")
    wide = "界" * 300
    for n in range(12):
        box.ok("task", "new", "--title", f"{wide}{n}", "--owner", "lead")

    async def asking() -> list[dict[str, Any]]:
        async with here(box.root) as client:
            return [
                await told(client, "hub_status"), await told(client, "task_list", limit=100),
                await told(client, "inbox_list", limit=100),
                await told(client, "search", text="界", limit=100),
            ]  # fmt: skip

    assert all(len(as_it_was(a).encode()) / 2 < TOKENS_MOST for a in talk(asking))


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("document_get", {}, "bad-value"),
        ("document_get", {"id": "nothing-like-it"}, "unknown-id"),
        ("task_get", {"id": "card.lead"}, "wrong-kind"),
        ("inbox_list", {"agent": "nobody"}, "unknown-agent"),
        ("inbox_list", {"limit": 0}, "bad-value"),
        ("inbox_list", {"limit": "9"}, "bad-value"),
        ("inbox_list", {"cursor": "%%%"}, "bad-cursor"),
        ("history", {"cursor": "WyJ4Il0"}, "bad-cursor"),
        ("search", {"text": " "}, "bad-value"),
        ("search", {"text": "x" * 500}, "bad-value"),
        ("hub_status", {"extra": 1}, "bad-value"),
        ("write_file", {}, "bad-request"),
    ],
)
def test_what_cannot_be_answered_says_why(box: Box, tool: str, arguments: dict[str, Any], code: str) -> None:
    async def asking() -> str:
        async with here(box.root) as client:
            return await failed(client, tool, **arguments)

    assert talk(asking).startswith(f"{code}: ")

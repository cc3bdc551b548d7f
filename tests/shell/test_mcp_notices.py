"""Who listens to a resource is told of each commit that changes it, soon, and of no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client

from tests.e2e.processes import Hubd, hubd
from tests.shell.commands import Box, make
from tests.shell.mcp_clients import here, on_stdio, talk

SOON = 0.1


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "m")


@pytest.fixture
def running(box: Box) -> Iterator[Hubd]:
    with hubd(box.root) as running:
        yield running


class Heard:
    """What an older client is told on its connection."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.at = 0.0

    async def __call__(self, message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            self.at = time.monotonic()
            self.uris.append(str(message.params.uri))

    async def wait(self, count: int) -> None:
        with anyio.fail_after(10):
            while len(self.uris) < count:
                await anyio.sleep(0.005)


def drop(box: Box, name: str, to: str = "lead") -> None:
    aside = box.root / "agents/tester/drafts" / name
    aside.write_text(f"---\nkind: message\nto: {to}\nsubject: {name}\n---\n")
    aside.rename(box.root / "agents/tester/outbox" / name)


async def committed(box: Box, tip: str) -> float:
    """When the ledger has another tip than this."""
    ref = box.root / ".git/refs/hub/main"
    with anyio.fail_after(10):
        while ref.read_text() == tip:
            await anyio.sleep(0.002)
    return time.monotonic()


def tip(box: Box) -> str:
    return (box.root / ".git/refs/hub/main").read_text()


@pytest.mark.parametrize("way", [here, on_stdio], ids=["here", "stdio"])
def test_an_older_client_is_told_soon_and_of_what_it_listens_to_alone(
    box: Box, running: Hubd, way: Any
) -> None:
    late = []

    async def listening() -> list[str]:
        heard = Heard()
        async with way(box.root, message_handler=heard) as client:
            for uri in ("mailbox://inbox/lead", "mailbox://inbox/backend"):
                await client.subscribe_resource(uri)
            for n in range(5):
                before = tip(box)
                drop(box, f"m{n}.md")
                at = await committed(box, before)
                await heard.wait(n + 1)
                late.append(heard.at - at)
            await client.unsubscribe_resource("mailbox://inbox/lead")
            drop(box, "m8.md")
            await anyio.to_thread.run_sync(running.rested)
            drop(box, "m9.md", to="backend")
            await heard.wait(6)
        return heard.uris

    assert talk(listening) == ["mailbox://inbox/lead"] * 5 + ["mailbox://inbox/backend"]
    assert sorted(late)[len(late) // 2] < SOON, late


@pytest.mark.parametrize("way", [here, on_stdio], ids=["here", "stdio"])
def test_a_newer_client_is_told_on_the_stream_it_opens(box: Box, running: Hubd, way: Any) -> None:
    task = box.task()

    async def listening() -> tuple[list[str], float]:
        async with way(box.root, mode="2026-07-28") as client:
            uris = [f"mailbox://task/{task}", f"mailbox://document/{task}", "mailbox://inbox/backend"]
            found: set[str] = set()
            async with client.listen(resource_subscriptions=uris, resources_list_changed=True) as stream:
                before = tip(box)
                await anyio.to_thread.run_sync(lambda: box.ok("task", "close", task))
                await committed(box, before)
                at = time.monotonic()
                async for event in stream:
                    found.add(getattr(event, "uri", "the list"))
                    if len(found) == 3:
                        break
            return sorted(found), time.monotonic() - at

    found, took = talk(listening)
    assert found == [f"mailbox://document/{task}", f"mailbox://task/{task}", "the list"]
    assert took < 5


def test_a_step_without_a_daemon_is_told_of_too(box: Box) -> None:
    async def listening() -> list[str]:
        heard = Heard()
        async with here(box.root, message_handler=heard) as client:
            await client.subscribe_resource("mailbox://inbox/lead")
            await anyio.to_thread.run_sync(
                lambda: box.ok("send", "--to", "lead", "--subject", "X", who="tester")
            )
            await heard.wait(1)
            await reads(client)
        return heard.uris

    assert talk(listening) == ["mailbox://inbox/lead"]


async def reads(client: Client) -> None:
    (content,) = (await client.read_resource("mailbox://inbox/lead")).contents
    assert '"subject"' not in content.model_dump_json()
    assert '"title\\":\\"X' in content.model_dump_json()

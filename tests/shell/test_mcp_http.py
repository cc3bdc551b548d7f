"""MCP over HTTP: who may ask, from where, and that nothing that is sent breaks it or changes a byte."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.subscriptions import SubscriptionLost

from hubd.layout import Layout
from hubd.mcp_server.http import BODY_MOST, NotServed, address
from hubd.tokens import Tokens
from tests.e2e.processes import Hubd, hubd
from tests.shell.commands import make
from tests.shell.mcp_clients import MODES, failed, over_http, settled, talk, told, tree
from tests.shell.test_mcp_notices import Heard
from tests.shell.test_mcp_reads import friendly, hostile

PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class Served:
    """A mailbox with hubd, serving HTTP."""

    def __init__(self, root: Path, running: Hubd) -> None:
        self.root = root
        self.running = running
        self.port = int(re.findall(r"MCP at port (\d+)", running.log())[0])
        self.tokens = Tokens(Layout(root))
        self.token = self.tokens.new("lead")

    def send(
        self, body: bytes = PING, method: str = "POST", path: str = "/mcp", **headers: str | None
    ) -> tuple[int, bytes]:
        """One request as it stands; a header that is None is left out."""
        given: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}", **HEADERS,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }  # fmt: skip
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Content-Length": str(len(body)), **given}.items():
                if value is not None:
                    line.putheader(name, value)
            line.endheaders(body)
            answer = line.getresponse()
            return answer.status, answer.read() if answer.status >= 400 else b""
        finally:
            line.close()

    def status(self, **sent: Any) -> int:
        return self.send(**sent)[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    box = make(tmp_path_factory.mktemp("http") / "m")
    box.task()
    with hubd(box.root, "--http", "127.0.0.1:0") as running:
        yield Served(box.root, running)


@pytest.mark.parametrize("mode", MODES)
def test_a_client_with_a_token_asks_as_its_agent(served: Served, mode: str) -> None:
    backend = served.tokens.new("backend")

    async def asking() -> list[Any]:
        found = []
        for token in (served.token, backend):
            async with over_http(served.port, token, mode) as client:
                status = await told(client, "hub_status")
                found.append((status["you"], [d["kind"] for d in status["yours"]]))
                assert status["daemon"]["pid"] == served.running.pid
                assert (await failed(client, "document_get", id="nothing")).startswith("unknown-id")
        return found

    assert talk(asking) == [("lead", ["task"]), ("backend", [])]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer hub_wrong"}, 401),
        ({"Authorization": "Basic bGVhZDpsZWFk"}, 401),
        ({"Authorization": "Bearer \xe4"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": ""}, 421),
        ({"Content_Length": str(BODY_MOST + 1)}, 413),
    ],
)
def test_who_may_not_ask_is_told_why(served: Served, headers: dict[str, str | None], status: int) -> None:
    got, body = served.send(**headers)
    assert got == status
    assert json.loads(body)["code"]


def test_host_and_origin_come_before_the_token_and_it_before_all_else(served: Served) -> None:
    assert served.status(Host="evil.example", Origin="http://evil.example", Authorization=None) == 421
    assert served.status(Origin="http://evil.example", Authorization=None) == 403
    assert served.status(Authorization=None, Content_Length=str(BODY_MOST + 1)) == 401
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        assert served.status(method=method, Authorization=None) == 401
        assert served.status(method=method, Host="evil.example") == 421
    assert served.status(path="/elsewhere") == 404


def test_ones_own_host_and_origin_are_let_in(served: Served) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        own = f"{name}:{served.port}"
        assert served.status(Host=own, Origin=f"http://{own}") not in (401, 403, 421)


def test_a_large_body_is_refused_also_when_it_does_not_say_so(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nAuthorization: Bearer {served.token}\r\n"
        )
        line.sendall(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(40):
                line.sendall(piece)
        except OSError:
            pass  # it does not read on
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_nothing_that_is_sent_makes_an_error_of_ours(served: Served) -> None:
    before = settled(served.root)
    luck = random.Random(7)
    methods = (
        "tools/call",
        "initialize",
        "resources/read",
        "server/discover",
        "subscriptions/listen",
        "",
        "x",
    )
    bodies = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"1" * 5000, b"[" * 100_000, b'{"jsonrpc": "2.0"}']
    for tool, name in (("search", "text"), ("document_get", "id"), ("\ud800", "x"), ("history", "\ud800")):
        params = {"name": tool, "arguments": {name: "\ud800"}}
        bodies.append(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        )
    for _ in range(60):
        message = {
            "jsonrpc": luck.choice(["2.0", "1.0", 2, None]), "id": luck.choice([1, "a", None, [], -1, 2**70]),
            "method": luck.choice(methods),
            "params": luck.choice([{}, [], None, "x", {"name": 1}, {"_meta": 3}]),
        }  # fmt: skip
        bodies.append(json.dumps(message).encode())
    found = set()
    for body in bodies:
        for version in (None, "2025-11-25", "2026-07-28", "1999-01-01", "x" * 300):
            found.add(
                served.status(
                    body=body, MCP_Protocol_Version=version, mcp_session_id=luck.choice([None, "x"])
                )
            )
    for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"):
        found.add(served.status(method=method, Accept=None, mcp_session_id="x"))
    assert all(status < 500 for status in found), found
    assert served.running.alive()
    assert tree(served.root) == before


@pytest.mark.parametrize("mode", MODES)
def test_no_call_over_http_changes_a_byte(served: Served, mode: str) -> None:
    before = settled(served.root)

    async def sending() -> None:
        async with over_http(served.port, served.token, mode) as client:
            await friendly(client)
            await hostile(client, every=11)

    talk(sending)
    assert tree(served.root) == before


def test_a_revoked_token_ends_what_it_had_begun(served: Served) -> None:
    token = served.tokens.new("tester")

    async def listening() -> None:
        uris = ["mailbox://inbox/tester"]
        async with (
            over_http(served.port, token, "2026-07-28") as client,
            client.listen(resource_subscriptions=uris) as stream,
        ):
            served.tokens.revoke("tester")
            message(served, "lead", "tester", "r.md")
            with pytest.raises(SubscriptionLost):
                await anext(aiter(stream))

    talk(listening)
    assert served.status(Authorization=f"Bearer {token}") == 401


def message(served: Served, who: str, to: str, name: str) -> None:
    aside = served.root / "agents" / who / "drafts" / name
    aside.write_text(f"---\nkind: message\nto: {to}\nsubject: X\n---\n")
    aside.rename(served.root / "agents" / who / "outbox" / name)


def test_an_older_client_is_told_of_commits_over_http(served: Served) -> None:
    async def listening() -> list[str]:
        heard = Heard()
        async with over_http(served.port, served.token, message_handler=heard) as client:
            await client.subscribe_resource("mailbox://inbox/lead")
            message(served, "tester", "lead", "m.md")
            await heard.wait(1)
        return heard.uris

    assert talk(listening) == ["mailbox://inbox/lead"]


def test_a_newer_client_is_told_of_commits_over_http(served: Served) -> None:
    async def listening() -> str:
        async with (
            over_http(served.port, served.token, "2026-07-28") as client,
            client.listen(resource_subscriptions=["mailbox://inbox/backend"]) as stream,
        ):
            message(served, "tester", "backend", "n.md")
            async for event in stream:
                return str(getattr(event, "uri", ""))
        return ""

    assert talk(listening) == "mailbox://inbox/backend"


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "10.1.2.3:80"])
def test_other_machines_are_served_only_under_a_name(text: str) -> None:
    with pytest.raises(NotServed, match="other machines"):
        address(text)
    assert address(text, ["Box.lan"]).hosts == {"box.lan"}


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "evil.example:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NotServed):
        address(text)


def test_a_port_that_is_taken_is_told(served: Served, tmp_path: Path) -> None:
    box = make(tmp_path / "m")
    running = Hubd(box.root, "--http", f"127.0.0.1:{served.port}")
    assert running.process.wait(20) == 1
    assert "cannot listen" in running.log()

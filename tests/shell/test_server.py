"""The socket: one JSON object a line each way, and nobody can hold it up or break it."""

from __future__ import annotations

import json
import selectors
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubd.server import LINE_MOST, Server


class Served:
    """A server, its loop turned by hand, and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sock"
        self.selector = selectors.DefaultSelector()
        self.asked: list[dict[str, Any]] = []
        self.server = Server(self.path, self.selector, self.answer)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        return {"ok": True, "n": len(self.asked)}

    def client(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(str(self.path))
        self.turn()
        return client

    def turn(self) -> None:
        for _ in range(3):
            for key, _mask in self.selector.select(0.01):
                key.data()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.server.close()
    served.selector.close()


def test_each_line_gets_one_line(served: Served) -> None:
    with served.client() as client, client.makefile("rb") as lines:
        client.sendall(b'{"do": "a"}\n{"do": "b"}\n{"do"')
        served.turn()
        client.sendall(b': "c"}\n')
        served.turn()
        assert [json.loads(lines.readline())["n"] for _ in range(3)] == [1, 2, 3]
    assert [a["do"] for a in served.asked] == ["a", "b", "c"]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\n", b"[1]\n", b"{\n", b"GET / HTTP/1.0\r\n"])
def test_rubbish_is_answered_once_and_closed(served: Served, rubbish: bytes) -> None:
    with served.client() as client, client.makefile("rb") as lines:
        client.sendall(rubbish)
        served.turn()
        assert json.loads(lines.readline())["code"] == "bad-request"
        assert lines.readline() == b""
    assert served.asked == []


def test_a_line_without_an_end_is_not_collected(served: Served) -> None:
    with served.client() as client:
        client.setblocking(False)
        sent = 0
        for _ in range(20):
            try:
                sent += client.send(b"x" * LINE_MOST)
            except (BlockingIOError, BrokenPipeError):
                pass
            served.turn()
        assert sent < 20 * LINE_MOST
    with served.client() as client, client.makefile("rb") as lines:
        client.sendall(b"{}\n")
        served.turn()
        assert json.loads(lines.readline())["ok"]


def test_a_client_that_goes_away_harms_nobody(served: Served) -> None:
    gone = served.client()
    gone.sendall(b"{}\n{}\n{}\n")
    gone.close()
    served.turn()
    with served.client() as client, client.makefile("rb") as lines:
        client.sendall(b"{}\n")
        served.turn()
        assert json.loads(lines.readline())["ok"]


def test_the_socket_is_its_users_own_and_goes_with_it(tmp_path: Path) -> None:
    served = Served(tmp_path)
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
    later = Served(tmp_path)  # another hub has come since
    served.server.close()
    assert served.path.exists()
    later.server.close()
    assert not served.path.exists()
    served.selector.close()
    later.selector.close()

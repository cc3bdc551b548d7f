"""The way to the hub: what is written into an outbox, what is heard from a socket, what became of a file."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.client import Client, Unreachable, compose, drop, tap
from hubd.client.fate import fate
from hubd.core import place
from hubd.core.document import Document, parse
from hubd.core.naming import Naming, naming
from hubd.core.scalar import Value
from hubd.layout import Layout
from tests.shell.commands import Box, make

LINES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(
    title=LINES,
    goal=LINES,
    body=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=80),
)
def test_what_is_composed_reads_back_as_it_was_meant(title: str, goal: str, body: str) -> None:
    plan: tuple[Value, ...] = ({"to": "ada", "goal": goal, "after": ("1",)},)
    data = compose({"kind": "task", "title": title, "owner": None, "assignments": plan}, body)
    read = parse(data)
    assert isinstance(read, Document), read
    assert read.header == {"kind": "task", "title": title, "assignments": plan}
    assert read.body == (f"{body}\n" if body else "")


def test_bytes_that_are_not_text_are_passed_on_to_be_refused() -> None:
    assert compose({"kind": "message"}, "a\udcffb").endswith(b"a\xffb\n")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    (tmp_path / ".git").mkdir()
    layout.folders(["ada"])
    return layout


def test_a_dropped_file_appears_whole_under_a_name_of_its_own(layout: Layout) -> None:
    names = {drop(layout, "ada", b"data", "claim") for _ in range(20)}
    assert len(names) == 20
    assert sorted(os.listdir(layout.outbox("ada"))) == sorted(names)
    assert all(place.FILE.fullmatch(name) and name.startswith("claim-") for name in names)
    assert {(layout.outbox("ada") / name).read_bytes() for name in names} == {b"data"}


def test_the_name_aside_is_one_that_every_hub_ignores(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    rename = os.rename

    def spy(source: str, target: str, **held: int) -> None:
        seen.append(source)
        rename(source, target, **held)

    monkeypatch.setattr("os.rename", spy)
    drop(layout, "ada", b"data", "send")
    assert [naming(name) for name in seen] == [Naming.IGNORED]


def test_nothing_is_left_of_a_drop_that_failed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(Unreachable, match="No space left"):
        drop(layout, "ada", b"data", "send")
    assert os.listdir(layout.outbox("ada")) == []


def test_an_outbox_that_is_a_link_is_not_written_through(layout: Layout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    layout.outbox("ada").rmdir()
    layout.outbox("ada").symlink_to(elsewhere)
    with pytest.raises(Unreachable):
        drop(layout, "ada", b"data", "send")
    assert os.listdir(elsewhere) == []


def test_an_agent_that_is_not_there_is_told_with_those_that_are(layout: Layout) -> None:
    with pytest.raises(Unreachable) as caught:
        drop(layout, "ben", b"data", "send")
    assert (caught.value.code, caught.value.hint) == ("unknown-agent", "agents: ada")


def serve(layout: Layout, answers: list[bytes], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A daemon that says these bytes, one connection each; returns what it was asked."""
    monkeypatch.chdir(layout.hub_dir)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind("sock")
    server.listen()
    asked: list[Any] = []

    def work() -> None:
        with server:
            for answer in answers:
                line, _ = server.accept()
                with line:
                    asked.append(json.loads(line.recv(65536)))
                    line.sendall(answer)

    threading.Thread(target=work, daemon=True).start()
    return asked


def test_one_line_is_said_and_one_is_heard(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    long = json.dumps({"ok": True, "text": "x" * 300_000}).encode() + b"\n"
    asked = serve(layout, [long], monkeypatch)
    told = tap(layout, {"do": "ping"}, 5.0)
    assert told is not None
    assert len(told["text"]) == 300_000
    assert asked == [{"do": "ping"}]


@pytest.mark.parametrize("said", [b"", b'{"ok": tr'], ids=["nothing", "half"])
def test_a_daemon_that_ends_in_the_middle_is_no_daemon(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    serve(layout, [said], monkeypatch)
    assert tap(layout, {"do": "ping"}, 5.0) is None


@pytest.mark.parametrize("said", [b"[1]\n", b"rubbish\n"])
def test_rubbish_from_a_socket_is_told(layout: Layout, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    serve(layout, [said], monkeypatch)
    with pytest.raises(Unreachable, match="no answer"):
        tap(layout, {"do": "ping"}, 5.0)


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layout.hub_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("sock")
        server.listen()
        with pytest.raises(Unreachable, match=r"within 0\.05 s"):
            tap(layout, {"do": "ping"}, 0.05)


def test_no_socket_and_a_dead_socket_are_no_daemon(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tap(layout, {"do": "ping"}, 1.0) is None
    monkeypatch.chdir(layout.hub_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("sock")
    assert tap(layout, {"do": "ping"}, 1.0) is None


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "box")


def test_the_fate_of_a_file_is_unknown_while_it_lies_there(box: Box) -> None:
    layout = Layout(box.root)
    name = drop(layout, "lead", b"not judged yet", "send")
    assert fate(layout, "lead", name, b"not judged yet") is None


def test_the_fate_of_a_file_is_what_the_hub_told(box: Box) -> None:
    layout = Layout(box.root)
    good = compose({"kind": "message", "to": "tester", "subject": "Hello"})
    bad = compose({"kind": "message", "to": "nobody", "subject": "Hello"})
    for data in (good, bad):
        name = drop(layout, "lead", data, "send")
        from hubd.hub import Hub

        with Hub.open(layout.root) as hub:
            outcome = hub.submit("lead", name)
        assert outcome is not None
        seen, told = fate(layout, "lead", name, data), outcome.as_json()
        assert seen is not None
        assert {k: v for k, v in seen.items() if k != "message"} == {
            k: v for k, v in told.items() if k != "message"
        }
        assert seen.get("message", "").lower() == told.get("message", "").lower()


def test_where_the_ledger_cannot_be_read_the_folders_tell(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def barred(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("hubd.client.fate._from_ledger", barred)
    layout = Layout(box.root)
    told = fate(layout, "lead", "send-1.md", b"data")
    assert told is not None
    assert told["ok"]
    (layout.refused("lead") / "send-1.md").write_bytes(b"data")
    told = fate(layout, "lead", "send-1.md", b"data")
    assert told is not None
    assert told["code"] == "refused"


def test_a_filtered_log_looks_at_all_of_history(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubd.query.history.SCAN", 2)
    with Client(Layout(box.root)) as client:
        assert client.query("log")["more"]
        told = client.query("log", kind="config")
    assert [row["do"] for row in told["transitions"]] == ["init"]
    assert not told["more"]

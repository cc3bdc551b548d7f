"""Where the container engine is, and what is said of one that is not as it must be.

What a real one does with containers is in test_container.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hubd.launch import questions
from hubd.launch.engine import Engine, EngineError, Exchange, Multiplexed, clear, find_socket, finish


@contextmanager
def listening(path: Path, says: bytes | None = None, stays: bool = False) -> Iterator[Path]:
    """Listen as an engine does; answer the first question with these bytes, or never."""
    with closing(socket.socket(socket.AF_UNIX)) as door:
        door.bind(str(path))
        door.listen(4)
        opened: list[socket.socket] = []

        def answer() -> None:
            asked, _ = door.accept()
            opened.append(asked)
            asked.recv(65_536)
            asked.sendall(says or b"")
            if not stays:
                asked.close()

        thread = threading.Thread(target=answer)
        if says is not None:
            thread.start()
        yield path
        if says is not None:
            thread.join(5)
        for each in opened:
            each.close()


def test_the_engine_is_where_the_setting_says_then_docker_host_then_the_usual_place(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "podman" / "podman.sock"
    environment = {"DOCKER_HOST": f"unix://{second}", "XDG_RUNTIME_DIR": str(tmp_path)}
    with listening(first), listening(second), listening(third):
        assert find_socket(str(first), environment) == first
        assert find_socket(f"unix://{first}", environment) == first
        assert find_socket("", environment) == second
        assert find_socket("", {"XDG_RUNTIME_DIR": str(tmp_path)}) == third


@pytest.mark.parametrize(
    ("setting", "host", "words"),
    [
        ("/nowhere/engine.sock", "", "no container engine at /nowhere/engine.sock (engine in hub.yaml)"),
        ("", "unix:///nowhere.sock", "no container engine at /nowhere.sock (DOCKER_HOST)"),
        ("", "tcp://127.0.0.1:2375", "only a unix socket will do"),
        ("engine.sock", "", "only a unix socket will do"),
        ("/etc/passwd", "", "no container engine at /etc/passwd"),
    ],
)
def test_an_engine_that_is_not_where_it_is_said_to_be_is_not_looked_for_elsewhere(
    setting: str, host: str, words: str
) -> None:
    with pytest.raises(EngineError) as refused:
        find_socket(setting, {"DOCKER_HOST": host})
    assert words in refused.value.what
    assert refused.value.hint


def test_a_socket_that_nobody_listens_at_is_no_engine(tmp_path: Path) -> None:
    with listening(tmp_path / "engine"):
        pass
    with pytest.raises(EngineError, match="no container engine listens at"):
        Engine(tmp_path / "engine").version()


def test_a_socket_of_somebody_else_is_not_open_to_us(tmp_path: Path) -> None:
    us = os.geteuid()
    with listening(tmp_path / "engine") as path:
        path.chmod(0)
        if us == 0:  # who may open every socket
            os.seteuid(65534)
        try:
            with pytest.raises(EngineError, match="not open to this user"):
                Engine(path).version()
        finally:
            os.seteuid(us)


def test_the_path_of_an_engine_may_be_longer_than_a_sockets_name(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    said = b'HTTP/1.1 200 OK\r\n\r\n{"Version": "9", "Components": [{"Name": "E"}]}'
    with listening(tmp_path / "engine", said):
        os.rename(tmp_path / "engine", deep / "engine")
        assert Engine(deep / "engine").version() == "E 9"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "broke off"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "is no container engine"),
        (b'HTTP/1.1 500 No\r\n\r\n{"message": "too  bad\\n"}', "does not tell its version: too bad"),
        (b"HTTP/1.1 503 No\r\n\r\n", "it answered 503"),
    ],
)
def test_an_answer_that_is_none_is_an_error_that_says_so(tmp_path: Path, says: bytes, words: str) -> None:
    with listening(tmp_path / "engine", says) as path, pytest.raises(EngineError) as refused:
        Engine(path).version()
    assert words in refused.value.what
    assert refused.value.hint


def test_an_engine_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with listening(tmp_path / "engine") as path, pytest.raises(EngineError, match="said nothing in 0 s"):
        Engine(path).ask(questions.wait("a"), patience=0.2)


def test_a_refusal_to_become_a_stream_is_heard_though_the_connection_stays_open(tmp_path: Path) -> None:
    body = b'{"message": "no such container"}'
    said = b"HTTP/1.1 404 No\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with listening(tmp_path / "engine", said, stays=True) as path:
        asked = Exchange(path, questions.attach("a", stdin=False))
        try:
            answer = finish(asked, 5.0)
        finally:
            asked.close()
    assert (answer.status, answer.told) == (404, "no such container")


def test_a_stream_begins_where_its_answer_ends(tmp_path: Path) -> None:
    said = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst bytes"
    with listening(tmp_path / "engine", said, stays=True) as path:
        asked = Exchange(path, questions.attach("a", stdin=False))
        assert finish(asked, 5.0).status == 101
        stream, arrived = asked.release()
        with closing(stream):
            assert arrived == b"first bytes"


@pytest.mark.parametrize("hub", ["", "*", "a", "0123456789abcdef,x", "../../../images"])
def test_containers_are_cleared_for_a_whole_hub_id_alone(tmp_path: Path, hub: str) -> None:
    with pytest.raises(EngineError, match="is no hub id"):
        clear(Engine(tmp_path / "none"), hub)


def test_a_name_stays_one_part_of_the_path() -> None:
    assert questions.remove("../images/x?y").path == "/containers/..%2Fimages%2Fx%3Fy?force=1&v=1"
    assert questions.image("a/b:c@sha256:d").path == "/images/a/b:c@sha256:d/json"


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_two_outputs_are_told_apart_however_they_are_cut(size: int) -> None:
    frames = ((1, b"hello"), (2, b"oh\n"), (1, b""), (3, b"no"), (1, b"x" * 256))
    whole = b"".join(struct.pack("!BxxxI", stream, len(data)) + data for stream, data in frames)
    parts = Multiplexed()
    heard = {"stdout": b"", "stderr": b""}
    for at in range(0, len(whole), size):
        for stream, data in parts.take(whole[at : at + size]):
            heard[stream] += data
    assert heard == {"stdout": b"hello" + b"x" * 256, "stderr": b"oh\nno"}

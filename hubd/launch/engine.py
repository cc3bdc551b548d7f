"""Speak with a container engine (Docker, podman) over its unix socket.

Guarantee: every failure is an `EngineError` that says what is wrong and what to do; no question waits longer
than its own patience.
Rule 1: this module carries questions and answers; what a container is for, and what it may see, is not its
matter. Rule 2: a container is only removed if its own label says that it is this hub's.

A question may be waited for (`Engine.ask`), or watched (`Exchange`) by one who must go on hearing.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import select
import socket
import stat
import struct
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

from hubd.launch import questions
from hubd.launch.questions import GONE, HUB, RUN, Answer, EngineError, Request, judge

__all__ = ["Engine", "EngineError", "Exchange", "Multiplexed", "clear", "find_socket", "finish"]

_ROOTFUL = (Path("/run/podman/podman.sock"), Path("/var/run/docker.sock"))
_START = "start one (`systemctl --user start podman.socket`), or name its socket as `engine` in hub.yaml"
_RESTART = "look at its log, or start it again"
_PIECE = 65_536
_MOST = 16 << 20  # bytes of one answer
_CONNECT = 5.0
_ROUNDS = 5
_KILL = 9
_ANY = range(400, 600)
_HUB_ID = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


def find_socket(setting: str, environment: Mapping[str, str]) -> Path:
    """Return where the engine listens. Raises EngineError if it is nowhere, or not where it is said to be."""
    named = (("engine in hub.yaml", setting), ("DOCKER_HOST", environment.get("DOCKER_HOST", "")))
    for who, said in named:
        path = said.removeprefix("unix://")
        if said and not path.startswith("/"):
            hint = "write the path of its socket: unix:///run/user/1000/podman/podman.sock"
            raise EngineError(f"{who} is {said[:200]!r}: only a unix socket will do", hint)
        if said and not _is_socket(Path(path)):
            raise EngineError(f"no container engine at {path} ({who})", _START)
        if said:
            return Path(path)
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    own: tuple[Path, ...] = (Path(runtime, "podman/podman.sock"),) if runtime.startswith("/") else ()
    for each in (*own, *_ROOTFUL):
        if _is_socket(each):
            return each
    raise EngineError("no container engine on this machine", _START)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


class Exchange:
    """One question on a connection of its own, which never blocks once it is asked."""

    def __init__(self, path: Path, request: Request) -> None:
        self.request = request
        self._path = path
        self._taken = bytearray()
        self._socket = _connect(path)
        try:
            self._socket.sendall(request.encoded())
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            raise self._gone(error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> Answer | None:
        """Take what has arrived; the answer, once it is all there. Raises EngineError if none will be."""
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            data = b""
        except OSError as error:
            raise self._gone(error) from error
        self._taken += data
        if len(self._taken) > _MOST:
            raise EngineError(f"the answer of the container engine at {self._path} has no end", _RESTART)
        head, ended, rest = bytes(self._taken).partition(b"\r\n\r\n")
        if ended and self.request.upgrade and head.split(b" ", 2)[1] in (b"101", b"200"):
            self._taken = bytearray(rest)
            return Answer(101, b"")
        # A connection that could have become a stream stays open after an answer that it will not.
        said = re.search(rb"\r\nContent-Length: *(\d+)", head, re.IGNORECASE)
        there = ended and said is not None and len(rest) >= int(said[1])
        return self._whole() if there or not data else None

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the stream, and what of it has arrived already. This exchange is over."""
        return self._socket, bytes(self._taken)

    def close(self) -> None:
        self._socket.close()

    def late(self, patience: float) -> EngineError:
        """Return what to say when it has taken longer than that."""
        return EngineError(f"the container engine at {self._path} said nothing in {patience:.0f} s", _RESTART)

    def _whole(self) -> Answer:
        response = http.client.HTTPResponse(cast(socket.socket, _Arrived(bytes(self._taken))))
        try:
            response.begin()
            return Answer(response.status, response.read())
        except (http.client.HTTPException, ValueError) as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception) -> EngineError:
        why = str(error) or type(error).__name__
        return EngineError(f"the container engine at {self._path} broke off ({why})", _RESTART)


class _Arrived:
    """Stands for a connection whose bytes are all here: what http.client reads an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def finish(exchange: Exchange, patience: float | None = None) -> Answer:
    """Wait for an answer, as long as its question's patience lasts, or this. Raises EngineError."""
    patience = exchange.request.patience if patience is None else patience
    deadline = time.monotonic() + patience
    poll = select.poll()
    poll.register(exchange, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, 1.0) * 1000) and (answer := exchange.read()) is not None:
            return answer
    raise exchange.late(patience)


class Engine:
    """An engine that may be waited for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, request: Request, fine: Collection[int] = (), patience: float | None = None) -> Answer:
        """Ask, wait, and return an answer that is good, or has a status in `fine`. Raises EngineError."""
        exchange = Exchange(self.path, request)
        try:
            return judge(request, finish(exchange, patience), fine)
        finally:
            exchange.close()

    def uid(self) -> int:
        """Say whose it is, by who listens on the socket: 0 for an engine that is root. Raises EngineError."""
        opened = _connect(self.path)
        try:
            told = opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", told)[1])
        finally:
            opened.close()

    def version(self) -> str:
        """Return what it calls itself: `Podman Engine 4.3.1`. Raises EngineError."""
        told = self.ask(questions.version()).read()
        if not isinstance(told, dict):
            raise EngineError(f"what listens at {self.path} is no container engine", _START)
        parts = told.get("Components") or [{}]
        return f"{parts[0].get('Name', 'container engine')} {told.get('Version', '?')}"

    def end(self, name: str, patience: float | None = None) -> None:
        """Kill a container and remove it; fine if it is gone. Raises EngineError where it stays."""
        # Without the kill it would be asked to end first, and waited for. If it has ended, engines object.
        self.ask(questions.kill(name, _KILL), _ANY, patience)
        self.ask(questions.remove(name), GONE, patience)

    def image(self, name: str) -> None:
        """Raise EngineError where it does not have this image."""
        self.ask(questions.image(name))


def clear(engine: Engine, hub: str, runs: Collection[str] | None = None) -> list[str]:
    """Remove what is left of this hub's containers, or of these runs' alone; return whose runs they were.

    Only for runs whose wrapper is gone: it kills without asking. Raises EngineError.
    """
    if not _HUB_ID.match(hub):
        raise EngineError(f"{hub!r} is no hub id", "nothing was removed")
    cleared: set[str] = set()
    left: list[tuple[str, str]] = []
    for _ in range(_ROUNDS):
        left = [each for each in _labelled(engine, hub) if runs is None or each[1] in runs]
        if not left:
            return sorted(cleared)
        for name, run in left:
            engine.end(name)
            cleared.add(run)
    names = ", ".join(run for _, run in left)
    raise EngineError(f"the containers of {names} could not be removed", "look at the engine's log")


def _labelled(engine: Engine, hub: str) -> Iterator[tuple[str, str]]:
    listed = engine.ask(questions.containers(hub)).read()
    for each in listed if isinstance(listed, list) else ():
        labels = each.get("Labels") or {}
        if labels.get(HUB) == hub:
            yield str(each["Id"]), str(labels.get(RUN, ""))


class Multiplexed:
    """Parts the two outputs of a container without a terminal: 8 bytes say which, and how much follows."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._stream: Literal["stdout", "stderr"] = "stdout"
        self._left = 0

    def take(self, data: bytes) -> Iterator[tuple[Literal["stdout", "stderr"], bytes]]:
        """Yield what there is of each, in pieces as they come: a frame may be larger than the memory."""
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                yield self._stream, piece
                continue
            wanted = 8 - len(self._head)
            self._head += data[:wanted]
            data = data[wanted:]
            if len(self._head) == 8:
                stream, self._left = struct.unpack("!BxxxI", self._head)
                # 3 is the engine itself, with something to say about an error.
                self._stream = "stderr" if stream in (2, 3) else "stdout"
                self._head.clear()


def _connect(path: Path) -> socket.socket:
    """Connect. A socket's path holds 107 bytes at most, so the way is through its folder's descriptor."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.settimeout(_CONNECT)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            opened.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except PermissionError as error:
        opened.close()
        hint = "use one of your own (`systemctl --user start podman.socket`), or join the group it is open to"
        raise EngineError(f"the container engine at {path} is not open to this user", hint) from error
    except OSError as error:
        opened.close()
        raise EngineError(f"no container engine listens at {path}", _START) from error
    return opened

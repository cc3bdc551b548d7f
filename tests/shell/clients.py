"""Those who attach to a run: one that speaks the frames by hand, and a person at a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hubd.launch.framing import Frames, connect, frame
from tests.house.sources import ROOT
from tests.shell.runs import DEADLINE, Run, until


class Client:
    """Somebody who is attached, and speaks the frames by hand."""

    def __init__(self, run: Run, size: tuple[int, int] | None = None, attached: bool = True) -> None:
        self.run = run
        self.sock = until(lambda: self._connect(run.folder), "the socket to be there")
        self.sock.settimeout(0.02)
        self.frames = Frames()
        self.heard: list[tuple[bytes, bytes]] = []
        self.open = True
        if attached:
            self.say(b"A", json.dumps({"columns": size[0], "rows": size[1]} if size else {}).encode())

    def _connect(self, folder: Path) -> socket.socket | None:
        with suppress(OSError):
            return connect(folder)
        return None

    def say(self, kind: bytes, data: bytes = b"") -> None:
        self.sock.sendall(frame(kind, data))

    def type(self, text: str) -> None:
        self.say(b"I", text.encode())

    def listen(self) -> None:
        try:
            data = self.sock.recv(65_536)
        except TimeoutError:
            return
        except ConnectionError:
            data = b""
        self.open = bool(data)
        self.heard += self.frames.take(data)

    def told(self, kind: bytes) -> list[bytes]:
        return [data for each, data in self.heard if each == kind]

    @property
    def seen(self) -> str:
        return b"".join(self.told(b"O")).decode("utf-8", "replace")

    def sees(self, text: str) -> None:
        def look() -> bool:
            if self.open:
                self.listen()
            self.run.listen()
            return text in self.seen

        until(look, lambda: f"{text!r} in {self.seen[-300:]!r} {self.heard[-3:]}")

    def hears(self, kind: bytes) -> bytes:
        def look() -> list[bytes]:
            if self.open:
                self.listen()
            self.run.listen()
            return self.told(kind)

        return until(look, lambda: f"{kind!r} in {self.heard[-3:]}")[-1]

    def is_let_go(self) -> None:
        def look() -> bool:
            if self.open:
                self.listen()
            return not self.open

        until(look, "it to be let go")


@contextmanager
def attached(run: Run, *args: Any, **kwargs: Any) -> Iterator[Client]:
    client = Client(run, *args, **kwargs)
    try:
        yield client
    finally:
        client.sock.close()


CLIENT = """
import sys
from pathlib import Path
from hubd.launch.attach import attach, key
left = attach(Path(sys.argv[1]), detach_key=key(sys.argv[2]))
print("left:", left.why, left.event.get("reason"))
"""


class Person:
    """The client as a person uses it: a process in a terminal, which is ours to read and write."""

    def __init__(self, run: Run, columns: int = 100, rows: int = 30, detach: str = "ctrl-]") -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(
                sys.executable,
                (sys.executable, "-c", CLIENT, str(run.folder), detach),
                {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            )
        self.run = run
        self.screen = ""

    def sees(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} in {self.screen[-500:]!r}"
            self.run.listen()
            while select.select([self.master], [], [], 0.01)[0]:
                try:
                    self.screen += os.read(self.master, 65_536).decode("utf-8", "replace")
                except OSError:
                    break

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.master)

    def close(self) -> None:
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@contextmanager
def person(run: Run, **kwargs: Any) -> Iterator[Person]:
    sits = Person(run, **kwargs)
    try:
        yield sits
    finally:
        sits.close()

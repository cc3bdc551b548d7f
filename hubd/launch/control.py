"""The hub's side of a run: start its wrapper, hear what it says, tell it to stop.

Guarantee: no call but `wait` and `kill` waits for anybody; `start` returns before the agent runs.
Rule 1: the hub's selector watches `fileno()`, and calls `events()` whenever it is readable, which also passes
on what could not be written yet. Rule 2: after an `ended` event: `close()`.

    wrapped = Wrapped.start(spec, lease_fd)
    selector.register(wrapped, EVENT_READ)
    for event in wrapped.events(): …

Events are as `hubd.launch.wrapper.__main__` says them, and one more: `{"event": "ended", "reason": "lost",
"error": …}` when the wrapper is gone and has not said how it ended. Its agent's main process is dead then;
the rest is `sweep`'s.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from hubd.launch.spec import Spec
from hubd.launch.sweeping import WRAPPER_TAG, sweep

__all__ = ["Wrapped", "reap"]

_HOME = Path(__file__).resolve().parents[2]
_LOG = "wrapper.log"
_PIECE = 65_536
_KILLED = 5.0

_unreaped: list[subprocess.Popen[bytes]] = []
"""Wrappers that were let go before they had ended: children of this process all the same."""


def reap(seconds: float) -> int:
    """Wait for the wrappers that were let go; return how many are still there, and outlive this process."""
    deadline = time.monotonic() + seconds
    while _reap() and time.monotonic() < deadline:
        time.sleep(0.005)
    left = len(_unreaped)
    for process in _unreaped:
        process.returncode = 0  # nobody is going to ask
    _unreaped.clear()
    return left


def _reap() -> int:
    _unreaped[:] = [process for process in _unreaped if process.poll() is None]
    return len(_unreaped)


class Wrapped:
    """One living wrapper. Its last descriptor is closed by `close`; closing before the end stops the run."""

    def __init__(self, spec: Spec, process: subprocess.Popen[bytes]) -> None:
        """Use `start`."""
        assert process.stdin is not None
        assert process.stdout is not None
        self.spec = spec
        self._process = process
        self._tell: IO[bytes] | None = process.stdin
        self._hear: IO[bytes] | None = process.stdout
        os.set_blocking(self._tell.fileno(), False)
        os.set_blocking(self._hear.fileno(), False)
        self._untold = bytearray()
        self._heard = bytearray()
        self._events: list[dict[str, Any]] = []
        self._ended = False
        # One descriptor for both directions: an epoll is readable when one of its own is ready.
        self._ready = select.epoll()
        self._ready.register(self._hear, select.EPOLLIN)

    @classmethod
    def start(cls, spec: Spec, lease_fd: int | None = None) -> Self:
        """Start it. `lease_fd` is inherited by the wrapper alone; the caller closes its own.

        Raises OSError where no process can be started, or the run's folder is not there.
        """
        _reap()
        # Not our environment: it may hold what no agent must see, and a wrapper's can be read in /proc.
        env = {WRAPPER_TAG: spec.tag, "PYTHONPATH": str(_HOME)}
        env |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
        log = os.open(spec.folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            process = subprocess.Popen(
                (sys.executable, "-s", "-S", "-P", "-m", "hubd.launch.wrapper", spec.run),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, cwd="/", env=env,
                start_new_session=True, pass_fds=() if lease_fd is None else (lease_fd,),
            )  # fmt: skip
        finally:
            os.close(log)
        started = cls(spec, process)
        started._tell_bytes(spec.to_json().encode() + b"\n")
        return started

    @property
    def pid(self) -> int:
        """The wrapper's, not the agent's."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when `events` should be called."""
        return self._ready.fileno()

    def events(self) -> list[dict[str, Any]]:
        """Return what the wrapper has said since, and pass on what it has not taken yet."""
        self._push()
        self._listen()
        said, self._events = self._events, []
        return said

    def stop(self, why: str = "") -> None:
        """Ask it to stop the agent: signal, grace, kill, sweep."""
        self._order({"do": "stop", "why": why})

    def type(self, text: str) -> None:
        """Type into the agent's terminal, if it has one; a `dropped` event says that nobody takes it."""
        self._order({"do": "type", "text": text})

    def wait(self, timeout: float) -> bool:
        """Wait until the wrapper is gone. What it said until then is for `events` to be told."""
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._push()
            if not self._wait_for_its_end(left):
                time.sleep(min(left, 0.005))  # its pipe is closed: it ends now, and nothing would wake us
        return True

    def _wait_for_its_end(self, seconds: float) -> bool:
        """Wait until it closes its pipe, or takes what waits to be written; False: the pipe is closed."""
        if self._hear is None:
            return False
        sign = select.poll()
        sign.register(self._hear, 0)  # the end is told unasked
        if self._tell is not None and self._untold:
            sign.register(self._tell, select.POLLOUT)
        hung_up = (self._hear.fileno(), select.POLLHUP)
        return hung_up not in sign.poll(seconds * 1000)

    def kill(self) -> int:
        """End the wrapper and its run at once, by force; returns how many processes the sweep had to end."""
        self._process.kill()
        self.wait(_KILLED)
        return sweep(self.spec.tag)

    def close(self) -> None:
        """Let go of it. A run that goes on is stopped by its wrapper, as when the hub dies."""
        self._deafen()
        if self._tell is not None:
            self._tell.close()
            self._tell = None
        self._ready.close()
        _unreaped.append(self._process)
        _reap()

    def _order(self, order: dict[str, Any]) -> None:
        self._tell_bytes(json.dumps(order).encode() + b"\n")

    def _tell_bytes(self, data: bytes) -> None:
        if self._tell is not None:
            self._untold += data
            self._push()

    def _push(self) -> None:
        """Pass on what it takes now; the rest when `fileno` is readable."""
        if self._tell is None or not self._untold:
            return
        try:
            while self._untold:
                del self._untold[: os.write(self._tell.fileno(), self._untold[: 16 * _PIECE])]
        except BlockingIOError:
            with suppress(FileExistsError):
                self._ready.register(self._tell, select.EPOLLOUT)
            return
        except BrokenPipeError:
            self._untold.clear()
        with suppress(FileNotFoundError):
            self._ready.unregister(self._tell)

    def _listen(self) -> None:
        while self._hear is not None:
            try:
                data = os.read(self._hear.fileno(), _PIECE)
            except BlockingIOError:
                return
            if not data:
                self._deafen()
                if not self._ended:
                    self._events.append({"event": "ended", "reason": "lost", "error": self._last_words()})
                return
            self._heard += data
            *lines, rest = self._heard.split(b"\n")
            self._heard = bytearray(rest)
            for line in lines:
                self._hear_line(bytes(line))

    def _hear_line(self, line: bytes) -> None:
        """Take one event. What is none was written by somebody else into the wrapper's pipe: left out."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            self._ended = self._ended or event["event"] == "ended"
            self._events.append(event)

    def _deafen(self) -> None:
        if self._hear is not None:
            self._ready.unregister(self._hear)
            self._hear.close()
            self._hear = None

    def _last_words(self) -> str:
        """Return what the wrapper wrote about its own failure, if it came to that."""
        try:
            text = (self.spec.folder / _LOG).read_bytes()[-2000:].decode("utf-8", "replace")
        except OSError:
            text = ""
        last = text.strip().rpartition("\n")[2]
        return f"its wrapper is gone: {last}" if last else "its wrapper is gone, and has said nothing"

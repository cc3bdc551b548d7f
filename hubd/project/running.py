"""Run one program to its end: bounded in time, in output, and in what it leaves behind.

Guarantee: when `run` returns or raises, the program and everything in its process group is gone.
Rule 1: only this module of `hubd.project` starts processes.
Rule 2: an argv is a list of words; there is no shell, no terminal and, unless bytes are given, an empty
standard input.

Not promised: an end of processes that leave the group (a session of their own). What runs agents sweeps by a
tag in the environment; whoever wants that here passes the tag in `env`.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from typing import IO

__all__ = ["Ran", "run"]

_CHUNK = 1 << 16
_GRACE = 3.0  # seconds from TERM, on which git removes its lock files, to KILL
_DRAIN = 0.3  # seconds for what is still in a pipe that a daemon holds open


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and the last bytes of what it said."""

    code: int
    """Its exit code; below zero the signal that ended it."""
    out: bytes
    err: bytes
    missing: int
    """Bytes of output that came first and were not kept."""
    late: bool
    """It was stopped because its time was over."""


class _Tail:
    """The last `keep` bytes of a stream."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._data = bytearray()
        self.seen = 0

    def add(self, data: bytes) -> None:
        self.seen += len(data)
        self._data += data
        if len(self._data) > 2 * self._keep:
            del self._data[: -self._keep]

    def bytes(self) -> bytes:
        return bytes(self._data[-self._keep :])

    @property
    def missing(self) -> int:
        return max(0, self.seen - self._keep)


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limit: float,
    stdin: bytes = b"",
    keep: int = 1 << 20,
    together: bool = False,
    pass_fds: Sequence[int] = (),
) -> Ran:
    """Run a program. `together`: what it says on standard error stands among its output, in order.

    Raises OSError where it cannot be started.
    """
    process = Popen(
        list(argv), cwd=cwd, env=dict(env), bufsize=0, start_new_session=True, pass_fds=tuple(pass_fds),
        stdin=PIPE if stdin else DEVNULL, stdout=PIPE, stderr=STDOUT if together else PIPE,
    )  # fmt: skip
    try:
        return _Conversation(process, stdin, keep).until(time.monotonic() + limit)
    finally:
        _end(process)


class _Conversation:
    """Feeds a process and listens to it, never waiting for one pipe while another is full."""

    def __init__(self, process: Popen[bytes], stdin: bytes, keep: int) -> None:
        self._process = process
        self._input = memoryview(stdin)
        self._tails = {name: _Tail(keep) for name in ("out", "err")}

    def until(self, deadline: float) -> Ran:
        late = False
        ended = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(ended, selectors.EVENT_READ, "ended")
                for name, pipe in (("out", self._process.stdout), ("err", self._process.stderr)):
                    if pipe is not None:
                        selector.register(_eager(pipe), selectors.EVENT_READ, name)
                if self._process.stdin is not None:
                    selector.register(_eager(self._process.stdin), selectors.EVENT_WRITE, "in")
                over = False
                while selector.get_map():
                    left = deadline - time.monotonic()
                    if left <= 0 and over:
                        break  # a daemon of the program's holds the pipes; it has said enough
                    if left <= 0:
                        late = True
                        self._stop(ended)
                        deadline = time.monotonic() + _DRAIN
                        over = True
                        continue
                    for key, _ in selector.select(left):
                        if key.data == "ended":
                            selector.unregister(ended)
                            over = True
                            deadline = min(deadline, time.monotonic() + _DRAIN)
                        else:
                            self._move(selector, key)
        finally:
            os.close(ended)
        _kill(self._process, signal.SIGKILL)  # before it is waited for: until then its number is its own
        code = self._process.wait()
        out, err = self._tails["out"], self._tails["err"]
        return Ran(code, out.bytes(), err.bytes(), out.missing + err.missing, late)

    def _move(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        try:
            if key.data == "in":
                self._input = self._input[os.write(key.fd, self._input[:_CHUNK]) :]
                done = not self._input
            else:
                data = os.read(key.fd, _CHUNK)
                self._tails[key.data].add(data)
                done = not data
        except BlockingIOError:
            return
        except BrokenPipeError:
            done = True  # it wants to hear no more; what it says decides
        if done:
            selector.unregister(key.fileobj)
            if key.data == "in" and self._process.stdin is not None:
                self._process.stdin.close()  # it waits for this end

    def _stop(self, ended: int) -> None:
        _kill(self._process, signal.SIGTERM)
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            selector.select(_GRACE)
        _kill(self._process, signal.SIGKILL)


def _eager(pipe: IO[bytes]) -> IO[bytes]:
    os.set_blocking(pipe.fileno(), False)
    return pipe


def _kill(process: Popen[bytes], sign: signal.Signals) -> None:
    """Signal the whole group. Only while its leader was not waited for: then the number is nobody else's."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, sign)
        except (ProcessLookupError, PermissionError):
            pass


def _end(process: Popen[bytes]) -> None:
    _kill(process, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()

"""The runtime of most agents: a process with three pipes.

Guarantee: the prompt is on its standard input, and then the end of the file, however long it is and whether
or not the agent reads it; without a prompt that is /dev/null.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial

from hubd.launch.wrapper.runtime import PIECE, Exit, Room, Stream
from hubd.launch.wrapper.spawning import spawn

__all__ = ["Process", "exit_of"]

_LAST = 256
"""How often the rest of a pipe is read, at most: somebody out of reach may hold it and print without end."""


def exit_of(status: int) -> Exit:
    """Read a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return Exit(code=code) if code >= 0 else Exit(signal=-code)


class Process:
    """See `Runtime`."""

    interactive = False
    trouble = ""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pid: int | None = None
        self._exit: Exit | None = None
        self._outputs: dict[int, Stream] = {}
        self._input: int | None = None
        self._prompt = memoryview(room.spec.stdin.encode("utf-8", "replace"))

    def start(self) -> None:
        spec = self._room.spec
        if self._prompt:
            reads, self._input = os.pipe()
        else:
            reads = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        theirs = [reads]
        try:
            streams: tuple[Stream, Stream] = ("stdout", "stderr")
            for stream in streams:
                mine, other = os.pipe()
                self._outputs[mine] = stream
                theirs.append(other)
            channels = (theirs[0], theirs[1], theirs[2])
            self._pid = spawn(spec.argv, spec.env, spec.cwd, channels, group=self._room.group)
        finally:
            for fd in theirs:
                os.close(fd)
        for fd in self._outputs:
            os.set_blocking(fd, False)
            self._room.watch(fd, readable=partial(self._read, fd))
        if self._input is not None:
            os.set_blocking(self._input, False)
            self._room.watch(self._input, writable=self._write)
        self._room.began(self._pid)

    def _read(self, fd: int) -> bool:
        """Take what is there; False: nothing now, or never again."""
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return False
        if data:
            self._room.output(self._outputs[fd], data)
        else:
            self._close(fd)
        return bool(data)

    def _write(self) -> None:
        assert self._input is not None
        try:
            self._prompt = self._prompt[os.write(self._input, self._prompt[:PIECE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it wants no more of it
            self._prompt = self._prompt[:0]
        if not self._prompt:
            self._room.forget(self._input)
            os.close(self._input)
            self._input = None

    def _close(self, fd: int) -> None:
        self._room.forget(fd)
        os.close(fd)
        del self._outputs[fd]

    def reaped(self, pid: int, status: int) -> None:
        if pid == self._pid:
            self._exit = exit_of(status)

    def ended(self) -> Exit | None:
        return self._exit

    def signal(self, number: int) -> None:
        self._room.signal_all(number)

    def kill(self) -> None:
        if self._pid is not None and self._exit is None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, signal.SIGKILL)

    def type(self, data: bytes) -> bool:
        return not data

    def resize(self, columns: int, rows: int) -> None:
        """A pipe has no size."""

    def drain(self) -> None:
        for fd in tuple(self._outputs):
            for _ in range(_LAST):
                if not self._read(fd):
                    break

    def clean_up(self) -> None:
        for fd in tuple(self._outputs):
            self._close(fd)
        if self._input is not None:
            self._room.forget(self._input)
            os.close(self._input)
            self._input = None

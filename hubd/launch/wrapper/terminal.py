"""The runtime for agents that want a person's terminal: a process on a pty.

Guarantee: the agent has a controlling terminal with a size and a TERM; nothing is on its standard input but
what people, scripts and the hub type.
Rule: what is typed waits here while the agent does not read, up to `WAITING_MOST` bytes; then no more is
taken.

Not promised: that a terminal in line mode takes a line of more than 4095 bytes; the kernel drops the rest.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from contextlib import suppress
from functools import partial

from hubd.launch.wrapper.process import Process
from hubd.launch.wrapper.runtime import PIECE, Room
from hubd.launch.wrapper.spawning import spawn

__all__ = ["Terminal"]

WAITING_MOST = 1 << 20
TERM = "xterm-256color"

# Programs throw away what was typed before they have set up the terminal.
_LOOK = 0.3  # seconds between two looks whether something was printed
_CALM = 1  # looks without any, once the program takes every key by itself: it has drawn itself
_CALM_IN_LINES = 4  # while it does not: it may be about to, or it reads lines and loses none
_MOST = 16  # it may never print anything

_IUTF8 = 0o40000


class Terminal(Process):
    """See `Runtime`. A process but for its channels: one, which is read and written."""

    interactive = True
    trouble = ""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._master: int | None = None
        self._slave: int | None = None
        self._waiting = bytearray()
        self._typed = room.spec.typed.encode("utf-8", "replace")
        self._noise = 0  # how often something was printed
        self._looks = self._calm = 0

    def start(self) -> None:
        spec = self._room.spec
        # Both ends are kept: while a program has closed its own, the terminal must not seem to be gone.
        self._master, self._slave = os.openpty()
        self._prepare()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", spec.rows, spec.columns, 0, 0))
        env = {"TERM": TERM, **spec.env}
        channels = (self._slave, self._slave, self._slave)
        self._pid = spawn(spec.argv, env, spec.cwd, channels, terminal=True, group=self._room.group)
        os.set_blocking(self._master, False)
        self._outputs[self._master] = "terminal"
        self._watch()
        self._room.began(self._pid)
        if self._typed:
            self._when_calm(0)

    def _prepare(self) -> None:
        assert self._slave is not None
        modes = termios.tcgetattr(self._slave)
        modes[0] |= _IUTF8  # so that one backspace takes away one character
        termios.tcsetattr(self._slave, termios.TCSANOW, modes)

    def _watch(self) -> None:
        if (fd := self._master) is not None:
            self._room.watch(fd, partial(self._read, fd), self._write if self._waiting else None)

    def _read(self, fd: int) -> bool:
        self._noise += 1
        return super()._read(fd)

    def _when_calm(self, noise: int) -> None:
        """Type what the spec says once something was printed, and then nothing for a while."""
        self._calm = self._calm + 1 if 0 < noise == self._noise else 0
        if self._calm >= (_CALM_IN_LINES if self._in_lines() else _CALM) or self._looks >= _MOST:
            self.type(self._typed)
            return
        noise, self._looks = self._noise, self._looks + 1
        self._room.later(_LOOK, lambda: self._when_calm(noise))

    def _in_lines(self) -> bool:
        return self._slave is not None and bool(termios.tcgetattr(self._slave)[3] & termios.ICANON)

    def type(self, data: bytes) -> bool:
        if self._master is None or len(self._waiting) + len(data) > WAITING_MOST:
            return False
        self._waiting += data
        self._watch()
        return True

    def _write(self) -> None:
        assert self._master is not None
        with suppress(BlockingIOError):
            del self._waiting[: os.write(self._master, self._waiting[:PIECE])]
        self._watch()

    def resize(self, columns: int, rows: int) -> None:
        """Give it this size; who is in front is told, also if it has it already, and draws itself anew."""
        if self._master is None:
            return
        size = struct.pack("HHHH", rows, columns, 0, 0)
        same = fcntl.ioctl(self._master, termios.TIOCGWINSZ, size)[:4] == size[:4]
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        if same:
            with suppress(OSError):  # nobody is in front
                os.killpg(os.tcgetpgrp(self._master), signal.SIGWINCH)

    def clean_up(self) -> None:
        super().clean_up()
        self._master = None
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

"""A person's terminal on a run that goes on, and a script's hand in it.

Guarantee: however it ends, the person's terminal is as it was before; the run does not notice.
Rule 1: everything typed goes to the agent, but for one key, which detaches. Rule 2: where the run takes no
input, ctrl-C detaches as well.

Not promised: a shield. What the agent prints goes to the person's terminal as it is, as if it ran there.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hubd.launch.framing import FRAME_MOST, BadFrame, Frames, connect, frame

__all__ = ["DETACH", "Left", "NotAttached", "attach", "key", "send"]

DETACH = b"\x1d"
"""ctrl-], as in telnet, virsh and others. Programs in a terminal hardly use it; ctrl-a and ctrl-b they do."""

_PIECE = 16_384
_WAITING_MOST = 1 << 20
_INTERRUPT = b"\x03"

# What a program may have left on that the person's own shell does not want: the other screen, a hidden
# cursor, mouse reports, focus reports, bracketed paste, application keys, other keyboard protocols, colours.
_RESTORE = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000;1002;1003;1004;1005;1006;1015l\x1b[?2004l\x1b[?2026l"
    b"\x1b[?1l\x1b>\x1b[<u\x1b[>4m\x1b[r\x1b[0m\r\n"
)


class NotAttached(Exception):
    """There is nothing to attach to, or it takes no input."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Left:
    """Why `attach` came back."""

    why: Literal["detached", "ended", "lost"]
    """lost: the wrapper is gone, and has not said how the run ended."""
    event: dict[str, Any] = field(default_factory=dict)
    """The `ended` event, if the run has ended."""


def key(name: str) -> bytes:
    """Read a key's name: `ctrl-]`, `ctrl-a`, `^a`, or one character. Raises ValueError."""
    found = re.fullmatch(r"(?:(?i:ctrl-|c-)|\^)([@-_a-z])", name)
    if found:
        return bytes([ord(found[1].upper()) & 0x1F])
    if len(name.encode()) != 1:
        raise ValueError(f"{name!r} is no key: write ctrl-] or ctrl-a, for example")
    return name.encode()


def attach(
    folder: Path, stdin_fd: int = 0, stdout_fd: int = 1, detach_key: bytes = DETACH, window: bool = True
) -> Left:
    """Show the run in this folder, and pass on what is typed, until it ends or somebody detaches.

    `window`: give the agent's terminal the size of this one. Raises NotAttached.
    """
    with closing(_connect(folder)) as sock:
        return _Session(sock, stdin_fd, stdout_fd, detach_key, window).go()


def send(folder: Path, text: str, timeout: float = 10.0) -> None:
    """Type this into the run's terminal; when it returns, the wrapper has it all. Raises NotAttached."""
    data = text.encode("utf-8", "replace")
    deadline = time.monotonic() + timeout
    with closing(_connect(folder)) as sock:
        frames = Frames()
        try:
            sock.settimeout(timeout)
            for start in range(0, len(data), FRAME_MOST):
                sock.sendall(frame(b"I", data[start : start + FRAME_MOST]))
            sock.sendall(frame(b"P"))
            while piece := sock.recv(_PIECE):
                for kind, told in frames.take(piece):
                    if kind == b"N":
                        raise NotAttached(told.decode(), "only a run with `runtime: pty` does")
                    if kind == b"P":
                        return
                sock.settimeout(max(0.001, deadline - time.monotonic()))
        except TimeoutError:
            raise NotAttached("the agent does not read what is typed", "`hubctl attach` shows why") from None
        except (OSError, BadFrame):
            pass
    raise NotAttached("the run has ended", "what was typed is lost")


def _connect(folder: Path) -> socket.socket:
    try:
        return connect(folder)
    except PermissionError:
        hint = "only the user who runs the hub may attach"
        raise NotAttached("this run belongs to another user", hint) from None
    except OSError:
        raise NotAttached("this run does not go on", "`hubctl logs` shows what it printed") from None


class _Session:
    """One person, attached."""

    def __init__(self, sock: socket.socket, stdin: int, stdout: int, detach: bytes, window: bool) -> None:
        self._sock = sock
        self._stdin = stdin
        self._stdout = stdout
        self._window = window
        self._frames = Frames()
        self._out = bytearray()
        self._input = False
        self._left: Left | None = None
        self._leave = _pattern(detach)
        self._selector = selectors.DefaultSelector()

    def go(self) -> Left:
        with self._selector, _resizes() as resized, self._raw():
            self._sock.setblocking(False)
            self._selector.register(self._sock, selectors.EVENT_READ, self._hear)
            self._selector.register(resized, selectors.EVENT_READ, lambda: self._resized(resized))
            with suppress(PermissionError):  # a file: nobody types
                self._selector.register(self._stdin, selectors.EVENT_READ, self._typed)
            self._say(frame(b"A", self._size()))
            while self._left is None:
                for chosen, ready in self._selector.select():
                    if ready & selectors.EVENT_WRITE:
                        self._say(b"")
                    if ready & selectors.EVENT_READ and self._left is None:
                        chosen.data()
            self._flush()
        return self._left

    def _size(self) -> bytes:
        size = {}
        if self._window:
            with suppress(OSError):
                found = os.get_terminal_size(self._stdout)
                if found.columns and found.lines:
                    size = {"columns": found.columns, "rows": found.lines}
        return json.dumps(size).encode()

    def _resized(self, pipe: int) -> None:
        os.read(pipe, 4096)
        self._say(frame(b"S", self._size()))

    def _say(self, data: bytes) -> None:
        """Send this, as far as it goes without waiting: the detach key must work, whatever the run does."""
        self._out += data
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # its last words may still be there to be read
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._selector.modify(self._sock, events, self._hear)

    def _flush(self) -> None:
        """Give what was typed before the detach key a moment to arrive."""
        with suppress(OSError):
            self._sock.settimeout(1.0)
            self._sock.sendall(self._out)

    def _typed(self) -> None:
        try:
            data = os.read(self._stdin, _PIECE)
        except OSError:
            data = b""
        if not data:  # nobody types any more; there may still be something to see
            self._selector.unregister(self._stdin)
            return
        leave = self._leave.search(data)
        if leave is None and not self._input and _INTERRUPT in data:
            self._left = Left("detached")
            return
        if leave is not None:
            self._left = Left("detached")
            data = data[: leave.start()]
        if data and self._input:
            if len(self._out) + len(data) > _WAITING_MOST:
                self._show(b"\a")
            else:
                self._say(frame(b"I", data))

    def _hear(self) -> None:
        try:
            data = self._sock.recv(_PIECE)
            frames = list(self._frames.take(data))
        except BlockingIOError:
            return
        except (OSError, BadFrame):
            data, frames = b"", []
        for kind, told in frames:
            self._told(kind, told)
        if not data and self._left is None:
            self._left = Left("lost")

    def _told(self, kind: bytes, data: bytes) -> None:
        if kind == b"O":
            self._show(data)
        elif kind == b"N":
            self._show(b"\r\n[hubd: " + data + b"]\r\n")
        elif kind == b"E":
            self._left = Left("ended", json.loads(data))
        elif kind == b"H":
            self._input = json.loads(data)["input"]
            self._set_modes()

    def _show(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._stdout, left) :]

    def _set_modes(self) -> None:
        """Every key is passed on at once. The output of a terminal is ready made, that of a pipe is not."""
        if not os.isatty(self._stdin):
            return
        modes = termios.tcgetattr(self._stdin)
        modes[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        if self._input:
            modes[0] &= ~(termios.ICRNL | termios.IXON | termios.BRKINT | termios.INPCK | termios.ISTRIP)
            modes[1] &= ~termios.OPOST
        termios.tcsetattr(self._stdin, termios.TCSADRAIN, modes)

    @contextmanager
    def _raw(self) -> Iterator[None]:
        """Put the terminal back into the state it was in, whatever happens meanwhile."""
        before = termios.tcgetattr(self._stdin) if os.isatty(self._stdin) else None
        try:
            yield
        finally:
            if before is not None:
                termios.tcsetattr(self._stdin, termios.TCSADRAIN, before)
            if self._input and os.isatty(self._stdout):
                with suppress(OSError):
                    self._show(_RESTORE)


def _pattern(detach: bytes) -> re.Pattern[bytes]:
    """Match a key as a terminal says it: as one byte, or in the longer forms that programs may ask for."""
    byte = detach[0]
    if byte >= 0x20:
        return re.compile(re.escape(detach))
    code = b"%d" % ord(chr(byte + 64).lower())
    forms = (re.escape(detach), rb"\x1b\[" + code + rb"(?::\d*)*;5(?::1)?u", rb"\x1b\[27;5;" + code + rb"~")
    return re.compile(b"|".join(forms))


@contextmanager
def _resizes() -> Iterator[int]:
    """Yield a pipe that is readable when the window has changed."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    main = threading.current_thread() is threading.main_thread()

    def changed(_number: int, _frame: object) -> None:
        with suppress(BlockingIOError):
            os.write(writes, b"r")

    before = signal.signal(signal.SIGWINCH, changed) if main else None
    try:
        yield reads
    finally:
        if main:
            signal.signal(signal.SIGWINCH, before)
        os.close(reads)
        os.close(writes)

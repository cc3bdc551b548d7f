"""Those who watch a run, and type into it, through the socket in its folder.

Guarantee: nobody who is attached can hold up the agent or the wrapper, nor make it use more memory than
`KEPT` and a little for each: a slow one is shown less, one that breaks the rules of `framing` is let go.
Rule 1: everybody sees the same: what was printed lately, and then all that follows. Rule 2: everybody may
type, where the run takes input; who typed what is not kept apart, nor recorded. Rule 3: the window's size is
that of the one who attached, resized or typed last, since that is where somebody looks; it stays when they
leave.

Not promised: a picture. What was printed lately is bytes; a program that draws a whole screen is asked to
draw it anew. Questions that a program asks the terminal are answered by every terminal that is attached.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from hubd.launch.framing import FRAME_MOST, SOCKET, BadFrame, Frames, frame, listen
from hubd.launch.wrapper.runtime import Room, Runtime

__all__ = ["KEPT", "Audience"]

KEPT = 262_144
"""Bytes of output that are kept for those who come, or come too late."""
CLIENTS_MOST = 16
_NO_INPUT = b"this run takes no input"
_SLICE = 16_384
_SIZE_MOST = 1000
_AGAIN = 0.05  # seconds until input that did not fit is offered again
_LAST_WORD = 0.3  # seconds for everybody to take the rest, at the end

# What a program asks its terminal (who are you, where is the cursor, which colours): answering the questions
# of the past would type the answers into the present.
_QUESTIONS = re.compile(
    rb"\x1b\[[>=]?0?c|\x1b\[\??[56]n|\x1b\[>0?q|\x1b\[\?u|\x1b\[\??\d+\$p|\x1b\[1[3-9]t|\x1b\[2[01]t"
    rb"|\x1b\](?:4;\d+|1[0-9]);\?(?:\x07|\x1b\\)|\x1bP[+$]q[^\x1b]*\x1b\\"
)


class _Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.frames = Frames()
        self.out = bytearray()
        self.at: int | None = None  # how far of the output it was sent; None: did not ask for it
        self.size: tuple[int, int] | None = None
        self.held: list[tuple[bytes, bytes]] = []  # frames that wait until input is taken again


class Audience:
    """All who are attached, served by the wrapper's own loop."""

    def __init__(self, room: Room, folder: int, runtime: Runtime, resize: Callable[[int, int], None]) -> None:
        """`folder`: a descriptor, which must stay open. `resize`: gives the agent's terminal another size."""
        self._room = room
        self._resize = resize
        self._runtime = runtime
        self._folder = folder
        self._clients: dict[int, _Client] = {}
        self._kept = bytearray()
        self._start = 0  # where in the whole output the kept part begins
        self._size = (room.spec.columns, room.spec.rows)
        self._socket = listen(folder)
        self._made = os.stat(SOCKET, dir_fd=folder)
        room.watch(self._socket.fileno(), self._accept)

    # What the wrapper tells

    def show(self, data: bytes) -> None:
        """Everybody sees this, when they can."""
        self._kept += data
        if len(self._kept) > 2 * KEPT:
            self._start += len(self._kept) - KEPT
            del self._kept[:-KEPT]
        for client in tuple(self._clients.values()):
            if client.at is not None:
                self._serve(client)

    def close(self, last: Mapping[str, Any]) -> None:
        """Tell everybody how it ended; those who are quick get all that was printed. Remove the socket."""
        self._room.forget(self._socket.fileno())
        self._socket.close()
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(SOCKET, dir_fd=self._folder), self._made):
                os.unlink(SOCKET, dir_fd=self._folder)
        with selectors.DefaultSelector() as writable:
            for client in tuple(self._clients.values()):
                self._room.forget(client.sock.fileno())
                writable.register(client.sock, selectors.EVENT_WRITE, client)
            self._say_last(writable, frame(b"E", json.dumps(last).encode()))
        for client in tuple(self._clients.values()):
            client.sock.close()
        self._clients.clear()

    def _say_last(self, writable: selectors.BaseSelector, last: bytes) -> None:
        said = set()
        deadline = time.monotonic() + _LAST_WORD
        while writable.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in writable.select(left):
                client: _Client = key.data
                if not client.out and not self._more(client) and client.sock not in said:
                    said.add(client.sock)
                    client.out += last
                try:
                    del client.out[: client.sock.send(client.out)]
                except OSError:
                    client.out.clear()
                    said.add(client.sock)
                if not client.out and client.sock in said:
                    writable.unregister(client.sock)

    # Who comes, who goes

    def _accept(self) -> None:
        try:
            sock, _ = self._socket.accept()
        except OSError:
            return
        sock.setblocking(False)
        client = _Client(sock)
        if len(self._clients) >= CLIENTS_MOST:
            with suppress(OSError):
                sock.send(frame(b"N", b"too many are attached"))
            sock.close()
            return
        self._clients[sock.fileno()] = client
        self._watch(client)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.sock.fileno(), None) is not None:
            self._room.forget(client.sock.fileno())
            client.sock.close()

    def _watch(self, client: _Client) -> None:
        reads = None if client.held else lambda: self._read(client)
        writes = (lambda: self._serve(client)) if client.out or self._behind(client) else None
        self._room.watch(client.sock.fileno(), reads, writes)

    # What it sees

    def _behind(self, client: _Client) -> bool:
        return client.at is not None and client.at < self._start + len(self._kept)

    def _more(self, client: _Client) -> bool:
        """Put the next piece of output into what is to be sent; False if there is none."""
        if client.at is None or not self._behind(client):
            return False
        if client.at < self._start:
            self._past(client, f"{self._start - client.at} bytes were left out: this terminal is too slow")
            return True
        offset = client.at - self._start
        piece = bytes(self._kept[offset : offset + _SLICE])
        client.at += len(piece)
        client.out += frame(b"O", piece)
        return True

    def _past(self, client: _Client, notice: str) -> None:
        """Show what was printed lately: from the beginning of a line if there is one, and no questions."""
        begin = self._kept.find(b"\n", 0, _SLICE) + 1 if self._start else 0
        past = _QUESTIONS.sub(b"", bytes(self._kept[begin:]))
        client.at = self._start + len(self._kept)
        if notice:
            client.out += frame(b"N", notice.encode())
        for start in range(0, len(past), _SLICE):
            client.out += frame(b"O", past[start : start + _SLICE])

    def _serve(self, client: _Client) -> None:
        """Send what goes without waiting; the rest when it can be written again."""
        try:
            while client.out or self._more(client):
                sent = client.sock.send(client.out)
                del client.out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        self._watch(client)

    # What it says

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(_SLICE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        try:
            frames = list(client.frames.take(data))
        except BadFrame:
            self._drop(client)
        else:
            self._hear(client, frames)

    def _hear(self, client: _Client, frames: list[tuple[bytes, bytes]]) -> None:
        """Take these in order, until input is not taken; then the rest waits, and nothing more is read."""
        while frames:
            try:
                taken = self._take(client, *frames[0])
            except BadFrame:
                self._drop(client)
                return
            if not taken:
                client.held = frames
                self._room.later(_AGAIN, lambda: self._hear_again(client))
                break
            frames.pop(0)
        self._serve(client)

    def _hear_again(self, client: _Client) -> None:
        if client.sock.fileno() in self._clients:
            frames, client.held = client.held, []
            self._hear(client, frames)

    def _take(self, client: _Client, kind: bytes, data: bytes) -> bool:
        """Do what one frame asks for; False: later."""
        if kind == b"I":
            if not self._runtime.interactive:
                client.out += frame(b"N", _NO_INPUT)
                return len(client.out) < FRAME_MOST
            self._look_from(client)
            return self._runtime.type(data)
        if kind == b"P":
            if len(client.out) > FRAME_MOST:
                return False  # whoever asks and never listens is not answered for ever
            client.out += frame(b"P", data)
            return True
        if kind not in (b"A", b"S"):
            raise BadFrame
        client.size = _size(data)
        if kind == b"A":
            if client.at is None:
                self._welcome(client)
            self._look_from(client, anew=True)
        else:
            self._look_from(client)
        return True

    def _welcome(self, client: _Client) -> None:
        spec = self._room.spec
        columns, rows = self._size
        told = {"run": spec.run, "runtime": spec.runtime, "input": self._runtime.interactive}
        client.out += frame(b"H", json.dumps({**told, "columns": columns, "rows": rows}).encode())
        client.at = 0
        self._past(client, f"{self._start} bytes came before this: see the logs" if self._start else "")

    def _look_from(self, client: _Client, anew: bool = False) -> None:
        """Let the terminal be as large as the window of the one who does something."""
        if self._runtime.interactive and client.size and (anew or client.size != self._size):
            self._size = client.size
            self._resize(*client.size)


def _size(data: bytes) -> tuple[int, int] | None:
    """Read a window's size; None if nothing is said. Raises BadFrame."""
    try:
        told = json.loads(data)
        columns, rows = told.get("columns"), told.get("rows")
    except (ValueError, AttributeError, RecursionError):
        raise BadFrame from None
    if columns is None and rows is None:
        return None
    if not (isinstance(columns, int) and isinstance(rows, int)):
        raise BadFrame
    if not (0 < columns <= _SIZE_MOST and 0 < rows <= _SIZE_MOST):
        raise BadFrame
    return columns, rows

"""The daemon's socket: taps and questions from `hubctl` and other front ends on this machine.

Guarantee: nothing sent here writes to the mailbox; `submit` and `look` only say "look now".
Rule: one JSON object a line each way. A client that sends rubbish is answered once and closed; a slow one
holds up nobody for more than two seconds.

Not promised: secrecy between processes of one user. The socket is the user's own (0600).
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LINE_MOST = 64 * 1024
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Server:
    """Accepts, reads, answers; driven by the daemon's own loop."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, answer: Answer) -> None:
        self._path = path
        self._selector = selector
        self._answer = answer
        self._clients: dict[socket.socket, bytes] = {}
        with suppress(FileNotFoundError):
            path.unlink()  # a hub that was killed left it; the lock says that it is gone
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            old = os.umask(0o177)
            try:
                # Through the descriptor, since a socket's path holds 107 bytes at most.
                self._socket.bind(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.umask(old)
        finally:
            os.close(folder)
        self._made = os.stat(path)
        self._socket.listen(64)
        self._socket.setblocking(False)
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._socket.accept()
            client.setblocking(False)
            self._clients[client] = b""
            self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(LINE_MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        held = self._clients.get(client, b"") + data
        if not data or len(held) > LINE_MOST:
            self._close(client)
            return
        *lines, rest = held.split(b"\n")
        self._clients[client] = rest
        for line in lines:
            if not self._reply(client, line):
                return

    def _reply(self, client: socket.socket, line: bytes) -> bool:
        try:
            asked = json.loads(line)
            if not isinstance(asked, dict):
                raise ValueError
        except ValueError:
            said = {"code": "bad-request", "message": "one JSON object a line", "hint": "", "bounce": ""}
            self._send(client, {"schema": 1, "ok": False, **said})
            self._close(client)
            return False
        return self._send(client, self._answer(asked))

    def _send(self, client: socket.socket, reply: dict[str, Any]) -> bool:
        data = json.dumps(reply).encode() + b"\n"
        # Answers fit a socket's buffer, but for the largest; nobody may hold up the hub for longer.
        client.settimeout(2.0)
        try:
            client.sendall(data)
            client.setblocking(False)
            return True
        except OSError:
            self._close(client)
            return False

    def _close(self, client: socket.socket) -> None:
        if self._clients.pop(client, None) is not None:
            self._selector.unregister(client)
        client.close()

    def close(self) -> None:
        """Stop answering, and remove the socket."""
        for client in list(self._clients):
            self._close(client)
        self._selector.unregister(self._socket)
        self._socket.close()
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self._path), self._made):  # else another hub's, which came after us
                self._path.unlink()

"""What goes over the socket `attach` in a run's folder: frames, each a letter, a length, and that many bytes.

Guarantee: whatever arrives is a frame or ends the connection; no more than one frame's length is ever held.
Rule: this module knows bytes. What a frame makes happen is said where it is taken.

    from who attaches                              from the wrapper
    A  {"columns": 80, "rows": 24} or {}: show me  H  {"runtime", "run", "input": bool, "columns", "rows"}
    S  {"columns", "rows"}: my window has changed  O  bytes of output, for the terminal as they are
    I  bytes that were typed                       N  text for the person: what was left out, and why
    P  anything: answer with the same              P  the answer: what came before it has been taken
                                                   E  {"event": "ended", …}: the run is over
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

__all__ = ["FRAME_MOST", "SOCKET", "BadFrame", "Frames", "connect", "frame", "listen"]

SOCKET = "attach"
FRAME_MOST = 65_536
_HEAD = struct.Struct("!cI")


class BadFrame(Exception):
    """What arrived is no frame of ours."""


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Make one."""
    return _HEAD.pack(kind, len(data)) + data


class Frames:
    """Takes bytes as they arrive, gives whole frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (kind, data) for every frame that is complete now. Raises BadFrame."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._held)
            if length > FRAME_MOST or not kind.isalpha():
                raise BadFrame
            if len(self._held) < _HEAD.size + length:
                return
            told = bytes(self._held[_HEAD.size : _HEAD.size + length])
            del self._held[: _HEAD.size + length]
            yield kind, told


# A socket's path holds 107 bytes at most, and a run's folder may lie deeper: both ends go through a
# descriptor.


def listen(folder: int) -> socket.socket:
    """Open the socket in this folder, for its owner alone."""
    try:
        os.unlink(SOCKET, dir_fd=folder)
    except FileNotFoundError:
        pass
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        opened.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        opened.listen(8)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(old)
    opened.setblocking(False)
    return opened


def connect(folder: str | os.PathLike[str]) -> socket.socket:
    """Connect to the run in this folder. Raises OSError where none goes on."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            opened.connect(f"/proc/self/fd/{place}/{SOCKET}")
        finally:
            os.close(place)
    except OSError:
        opened.close()
        raise
    return opened

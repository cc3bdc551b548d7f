"""The two pipes to the hub: orders come in, events go out, one JSON object a line.

Guarantee: a hub that does not listen never holds up the wrapper while the agent runs; of its `output` events
it then gets the latest.
Rule: the end of what comes in is the end of the hub. An order nobody knows is an error of ours, and no reason
to end somebody's work: it is written to standard error and left.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["Hub"]

_PIECE = 65_536


class Hub:
    """The hub, as its wrapper sees it."""

    def __init__(self, reads: int = 0, writes: int = 1) -> None:
        self._reads = reads
        self._writes = writes
        self._heard = bytearray()
        self._unsaid = b""  # what is left of a line that the pipe took in part
        os.set_blocking(writes, False)

    @property
    def fileno(self) -> int:
        return self._reads

    def spec(self) -> bytes:
        """Wait for the first line, which says what to do; empty if the hub is gone before."""
        while b"\n" not in self._heard[-_PIECE:]:
            data = os.read(self._reads, _PIECE)
            if not data:
                return b""
            self._heard += data
        os.set_blocking(self._reads, False)
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        return line

    def orders(self) -> Iterator[dict[str, Any] | None]:
        """Yield what was ordered since; None for the end of the hub."""
        try:
            data: bytes | None = os.read(self._reads, _PIECE)
        except BlockingIOError:
            data = None
        self._heard += data or b""
        *lines, rest = self._heard.split(b"\n")
        self._heard = bytearray(rest)
        for line in lines:
            try:
                order = json.loads(line)
            except ValueError:
                order = None
            if isinstance(order, dict):
                yield order
            else:
                sys.stderr.write(f"not an order: {line[:200]!r}\n")
        if data == b"":
            yield None

    def total(self, total: int) -> bool:
        """Say how much was printed. False: it does not listen now, and nothing was said."""
        self._push()
        if not self._unsaid:
            self.say(event="output", bytes=total)
            return True
        return False

    def say(self, **event: Any) -> None:
        """Say something: at once, or when it listens and there is something else to say."""
        self._unsaid += json.dumps(event).encode() + b"\n"
        self._push()

    def close(self) -> None:
        """Wait until everything was heard, or nobody is there any more."""
        while self._unsaid:
            ready = select.poll()
            ready.register(self._writes, select.POLLOUT)
            ready.poll()
            self._push()

    def _push(self) -> None:
        try:
            self._unsaid = self._unsaid[os.write(self._writes, self._unsaid) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsaid = b""

"""Tell whoever supervises hubd as a service how it is, as sd_notify(3) has it: ready, alive, stopping.

Guarantee: nothing is said, and nothing fails, where nobody listens. It never waits.
Rule: one datagram a message, to the socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["Supervisor"]


class Supervisor:
    """What systemd is told. `alive` is said no more often than twice in the time that WATCHDOG_USEC gives."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        every = environment.get("WATCHDOG_USEC", "") if meant else ""
        self._every = int(every) / 2_000_000 if every.isdigit() and int(every) else float("inf")
        self._last = time.monotonic()

    def say(self, *lines: str) -> None:
        """Send one message: `READY=1`, `STOPPING=1`, `STATUS=text`."""
        if self._address:
            with (
                suppress(OSError),
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
            ):
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)

    def pause(self) -> float:
        """Return how long nothing needs to be said."""
        return max(0.0, self._last + self._every - time.monotonic())

    def alive(self) -> None:
        """Say that the loop turns, if it is time."""
        if self.pause() == 0.0:
            self._last = time.monotonic()
            self.say("WATCHDOG=1")

"""The wrapper's only loop: descriptors that are ready, timers that are due, signals that came.

Guarantee: nothing waits but `turn`.
Rule: a callback takes what is there and returns; everybody gets a turn before anybody gets a second one.
"""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import time
from collections.abc import Callable
from itertools import count

__all__ = ["Call", "Loop"]

Call = Callable[[], object]


class Loop:
    """Calls back."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Call]] = []
        self._order = count()
        self._woken, self._wake = os.pipe()
        for fd in (self._woken, self._wake):
            os.set_blocking(fd, False)
        self.watch(self._woken, self._drain)

    def on_signal(self, number: int, call: Callable[[], None]) -> None:
        """Call back when this signal came, between two instructions; the loop wakes up for it."""
        signal.signal(number, lambda _number, _frame: call())
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def _drain(self) -> None:
        try:
            os.read(self._woken, 4096)
        except BlockingIOError:
            return

    def watch(self, fd: int, readable: Call | None = None, writable: Call | None = None) -> None:
        """See `Room.watch`."""
        wanted = (selectors.EVENT_READ if readable else 0) | (selectors.EVENT_WRITE if writable else 0)
        known = fd in self._selector.get_map()
        if not wanted:
            self.forget(fd)
        elif not known:
            self._selector.register(fd, wanted, (readable, writable))
        else:
            self._selector.modify(fd, wanted, (readable, writable))

    def forget(self, fd: int) -> None:
        """See `Room.forget`."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def later(self, seconds: float, call: Call) -> None:
        """See `Room.later`."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), call))

    def turn(self) -> None:
        """Wait until something is to be done, and do it."""
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, ready in self._selector.select(wait):
            for event, which in ((selectors.EVENT_READ, 0), (selectors.EVENT_WRITE, 1)):
                # As it is watched now: an earlier callback of this turn may have changed or forgotten it.
                watched = self._selector.get_map().get(key.fd)
                if ready & event and watched is not None and (call := watched.data[which]):
                    call()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

"""Remember what is due when, without looking at every document.

Guarantee: finding what is due does not grow with the number of documents. Rule: a timer that is not true any
more is dropped when it comes up; nothing is ever removed from the middle.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from hubd.core.due import Timer, timers
from hubd.core.effect import Doc


class Timers:
    """Two heaps: one on the wall clock, one on the boot's."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[tuple[float, str]]] = {"wall": [], "mono": []}

    def add(self, documents: Iterable[Doc]) -> None:
        """Note when these documents must be asked about."""
        for doc in documents:
            for timer in timers(doc):
                heapq.heappush(self._heaps[timer.clock], (timer.at, timer.document))

    def due(self, clocks: Mapping[str, float]) -> list[Timer]:
        """Take out what has come up."""
        found = []
        for clock, heap in self._heaps.items():
            while heap and heap[0][0] <= clocks[clock]:
                at, document = heapq.heappop(heap)
                found.append(Timer(document, clock, at))
        return found

    def next_in(self, clocks: Mapping[str, float]) -> float | None:
        """Return the seconds until the next one, or None."""
        waits = [heap[0][0] - clocks[clock] for clock, heap in self._heaps.items() if heap]
        return max(0.0, min(waits)) if waits else None

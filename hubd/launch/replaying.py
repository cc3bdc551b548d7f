"""Play a recorded terminal again: `terminal.cast` in a run's folder, asciicast v2.

Guarantee: a recording that was cut (a cap, a kill, a full disk) plays as far as it goes.
Rule: only what was printed is played. The terminal it is played in keeps its own size.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Event", "events", "replay", "size"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in the terminal."""

    at: float
    """Seconds since the run began."""
    kind: str
    """`o`: printed; `r`: a new size, `COLUMNSxROWS`; `m`: a mark."""
    text: str


def size(path: Path) -> tuple[int, int] | None:
    """Return the columns and rows it was recorded with. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        try:
            header = json.loads(lines.readline())
            return int(header["width"]), int(header["height"])
        except (ValueError, KeyError, TypeError):
            return None


def events(path: Path) -> Iterator[Event]:
    """Yield all events in order; lines that are none are left out. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                at, kind, text = json.loads(line)
                yield Event(float(at), str(kind), str(text))
            except (ValueError, TypeError):
                continue


def replay(
    path: Path,
    stdout_fd: int = 1,
    speed: float = 1.0,
    idle_most: float = 2.0,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Print what was printed, as quickly as then times `speed`; waits no longer than `idle_most` at once.

    A speed of 0 prints everything at once. Raises OSError where there is no recording.
    """
    before = 0.0
    for event in events(path):
        if speed > 0 and (pause := min((event.at - before) / speed, idle_most)) > 0:
            sleep(pause)
        before = event.at
        if event.kind == "o":
            _print(stdout_fd, event.text)
        elif event.kind == "m":
            _print(stdout_fd, f"\r\n[{event.text}]\r\n")


def _print(fd: int, text: str) -> None:
    left = memoryview(text.encode("utf-8", "replace"))
    while left:
        left = left[os.write(fd, left) :]

"""Wait for what only a running hubd does: a run that comes up, a run that ends.

Rule: nothing is begun or ended here; it is asked, again and again, until it is so or the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hubd.cli.frame import NOT_REACHED, Answer, Ended, Session

__all__ = ["ended", "live", "need_daemon", "pauses", "until"]

_PAUSES = (0.02, 0.05, 0.1, 0.2)  # seconds between two questions; then the last one again


def need_daemon(session: Session, why: str) -> None:
    """End the command where no hubd runs: what it asks for would else be done at some later time."""
    if session.client.ping() is None:
        raise Ended(f"hubd is not running: {why}", "start it: `hubctl up`", "unreachable", NOT_REACHED)


def pauses() -> Iterator[float]:
    """How long to wait between two looks: short at first."""
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def until(session: Session, holds: Callable[[], bool], seconds: float) -> bool:
    """Ask until it holds, or the time is over; whether it holds."""
    deadline = time.monotonic() + seconds
    for pause in pauses():
        if holds():
            return True
        if time.monotonic() >= deadline:
            return False
        session.client.rest()
        time.sleep(min(pause, max(deadline - time.monotonic(), 0.001)))
    return False


def live(session: Session, agent: str = "") -> dict[str, Answer]:
    """The runs that go on, of one agent or of all, by id; each with its agent."""
    rows = session.ask("agents", **({"agent": agent} if agent else {}))["agents"]
    return {run["id"]: {**run, "agent": row["name"]} for row in rows for run in row["runs"]}


def ended(session: Session, run: str) -> Mapping[str, Any]:
    """The header of a run that has ended."""
    header: Mapping[str, Any] = session.show(run)["header"]
    return header

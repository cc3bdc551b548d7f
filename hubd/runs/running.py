"""One run while it goes on: its wrapper, what it was given, and how it goes.

Rule: values alone; `launcher` decides what happens next.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from hubd.core.effect import Doc
from hubd.core.policy import Observed
from hubd.launch.control import Wrapped
from hubd.launch.presets import Command
from hubd.launch.records import Result
from hubd.project import Worktree

__all__ = ["Phase", "Running"]


class Phase(StrEnum):
    """How far a run is."""

    PREPARING = "preparing"  # its worktree is being made
    UP = "up"  # its wrapper has been started
    OVER = "over"  # its process has ended, or never began; what it saved is to be judged
    KEEPING = "keeping"  # its work is being committed
    ENDING = "ending"  # its end is to be recorded


@dataclass(slots=True)
class Running:
    """A run of this hub's own. Times are on the monotonic clock, in seconds."""

    run: Doc
    card: Doc
    folder: Path
    tag: str
    began: float
    phase: Phase = Phase.PREPARING
    wrapped: Wrapped | None = None
    command: Command | None = None
    worktree: Worktree | None = None
    earlier: Result = field(default_factory=Result)
    """The sums of the session that it goes on with; without a session it begins a new one."""
    pid: int = 0
    said: float = 0.0
    size: int = 0
    stop: str = ""
    latest: float = 0.0
    """When it must have ended; 0 for never."""
    over_at: float = 0.0
    ended: dict[str, Any] = field(default_factory=dict)
    branch: str = ""
    assignment: Doc | None = None
    """What a worktree is still to be made for."""
    after: tuple[str, ...] = ()
    """Runs whose work this one builds on, and that are about to end."""
    places: tuple[Path, ...] = ()
    """Where its client's sandbox may leave something lying about."""

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def agent(self) -> str:
        return self.run.text("agent")

    @property
    def session(self) -> str:
        """The client's own name for the session that it goes on with."""
        return self.earlier.session

    @property
    def lease(self) -> int:
        return self.run.number("lease")

    def observed(self, now: float) -> Observed:
        """Return what policy may know of it."""
        alone = self.command is None or not self.command.long_lived
        up = self.pid > 0 and self.phase is Phase.UP
        return Observed(self.id, up, now - max(self.said, self.began), alone)

    def hear(self, event: dict[str, Any], now: float) -> None:
        """Take note of what its wrapper says."""
        match event.get("event"):
            case "started":
                self.pid, self.said = int(event.get("pid") or 0), now
            case "output":
                self.said, self.size = now, int(event.get("bytes") or 0)
            case "ended":
                self.end(event)

    def end(self, event: dict[str, Any]) -> None:
        """Its process has ended, or cannot begin."""
        if not self.ended:
            self.ended, self.phase, self.over_at = dict(event), Phase.OVER, time.monotonic()

    def fail(self, why: str) -> None:
        """It cannot begin."""
        self.end({"event": "ended", "reason": "error", "error": why})

"""The one place where the hub reads a clock.

Guarantee: within one process `Clock.now()` never goes back, neither in `wall` nor in `mono`.
Rule 1: everybody else is given a `Now`; nobody calls `time.time()` to decide something.
Rule 2: lengths of time are counted on `mono`, which goes on while the machine sleeps and knows no time zones,
no leap seconds and no operator who sets the clock.

Not promised: that `wall` is right, or that it does not go back from one process to the next.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from hubd.core.time import Now

__all__ = ["Clock", "FakeClock", "Now", "SystemClock", "boot_name"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    def now(self) -> Now: ...


class SystemClock:
    """The machine's own clocks, with a wall that is held still while the real one is behind it."""

    __slots__ = ("_boot", "_guard", "_latest")

    def __init__(self) -> None:
        self._boot = boot_name()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._guard = threading.Lock()

    def now(self) -> Now:
        with self._guard:
            # Somebody set the clock back: hold the wall still until it has caught up. Order in the ledger
            # matters more to a reader than a few wrong minutes, and nothing expires by it.
            self._latest = max(self._latest, datetime.now(UTC))
            return Now(wall=self._latest, boot=self._boot, mono=time.clock_gettime(time.CLOCK_BOOTTIME))


def boot_name(path: Path = _BOOT_ID) -> str:
    """The first eight hex digits of the kernel's boot id.

    Where there is no /proc the boot is named by its time in whole minutes, which can change when the wall
    clock is set. That errs towards "another boot", and so towards patience.
    """
    try:
        digits = path.read_text("ascii").strip()[:8].lower()
        if len(digits) == 8 and all(digit in "0123456789abcdef" for digit in digits):
            return digits
    except (OSError, ValueError):
        pass
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return f"{int(started // 60) & 0xFFFFFFFF:08x}"


@dataclass(slots=True)
class FakeClock:
    """A clock for tests: it stands still until it is told to move."""

    wall: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    mono: float = 1_000.0
    boots: int = 1

    def now(self) -> Now:
        return Now(wall=self.wall, boot=f"{self.boots:08x}", mono=self.mono)

    def advance(self, seconds: float) -> Now:
        """Both clocks go on by `seconds`."""
        if seconds < 0:
            raise ValueError("a clock does not go back; use set_wall() for a clock that was set")
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds
        return self.now()

    def set_wall(self, wall: datetime) -> Now:
        """Somebody sets the wall clock, in either direction; the other clock does not notice."""
        self.wall = wall.astimezone(UTC)
        return self.now()

    def reboot(self, down: float = 60.0) -> Now:
        """The machine is off for `down` seconds and comes back: a new boot, counting from almost nothing."""
        self.wall += timedelta(seconds=down)
        self.mono = 10.0
        self.boots += 1
        return self.now()

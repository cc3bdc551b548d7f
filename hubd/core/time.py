"""Time as plain values: an instant, its spelling, and lengths of time.

Guarantee: what `format_*` writes, the matching `parse_*` reads back as the same value, as far as written.
Rule 1: nothing here looks at a clock; `hubd.clock` does, and hands a `Now` in.
Rule 2: wall time is for people and for dates they wrote; whatever expires on the hub's own account is counted
on `mono`, and only within one `boot`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = [
    "Now",
    "format_duration",
    "format_now",
    "format_wall",
    "parse_duration",
    "parse_now",
    "parse_wall",
]


@dataclass(frozen=True, slots=True)
class Now:
    """One instant, as three readings.

    `mono` values may be compared only when their `boot` is the same: another boot starts counting again.
    """

    wall: datetime
    """Aware, in UTC."""
    boot: str
    """Eight hex digits that name the running boot of the machine."""
    mono: float
    """Seconds since that boot, suspended time included; never goes back."""

    def since(self, boot: str, mono: float) -> float | None:
        """Seconds from (`boot`, `mono`) to this instant; None where they cannot be compared."""
        return self.mono - mono if boot == self.boot else None


_WALL = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_NOW = re.compile(r"(\S+) boot=([0-9a-f]{8}) mono=(\d{1,15}\.\d{3})", re.ASCII)
_PART = re.compile(r"(\d{1,9})([dhms])", re.ASCII)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def format_wall(when: datetime) -> str:
    """`2026-11-21T10:00:00Z`: whole seconds (cut, not rounded), always in UTC."""
    return when.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_wall(text: str) -> datetime | None:
    """The instant that `text` names, in UTC. None where it is no date with a time and an offset."""
    found = _WALL.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    micro = int((found[7] or "").ljust(6, "0")[:6])
    try:
        when = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
        if found[8]:
            if int(found[9]) > 23 or int(found[10]) > 59:
                return None
            offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
            when = when - offset if found[8] == "+" else when + offset
    except (ValueError, OverflowError):
        return None
    return when


def format_now(now: Now) -> str:
    """`2026-11-21T10:00:00.123Z boot=0a1b2c3d mono=4711.250`, the value of the `Hub-Now` trailer."""
    wall = now.wall.astimezone(UTC)
    # Cut, not rounded: a rounded instant could lie after one that was read later.
    return f"{format_wall(wall)[:-1]}.{wall.microsecond // 1000:03d}Z boot={now.boot} mono={_milli(now.mono)}"


def parse_now(text: str) -> Now | None:
    found = _NOW.fullmatch(text)
    wall = parse_wall(found[1]) if found else None
    if found is None or wall is None:
        return None
    return Now(wall=wall, boot=found[2], mono=float(found[3]))


def _milli(seconds: float) -> str:
    # The small addition keeps a value that was read from three digits from losing its last one.
    thousandths = int(seconds * 1000 + 1e-4)
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def parse_duration(text: str) -> int | None:
    """`45s`, `90m`, `2h`, `3d`, `1h30m` as seconds. None for anything else.

    Units fall from left to right and appear once each. A bare number is refused: its unit would be a guess.
    """
    rest, total, last = text.strip().lower(), 0, 86_401
    while rest:
        part = _PART.match(rest)
        if part is None or _SECONDS[part[2]] >= last:
            return None
        last = _SECONDS[part[2]]
        total += int(part[1]) * last
        rest = rest[part.end() :]
    return total if last < 86_401 else None


def format_duration(seconds: float) -> str:
    """The spelling that `parse_duration` reads back: `1h30m`, `3d`, `0s`. Parts of a second are cut."""
    rest, parts = max(0, int(seconds)), []
    for unit, size in _SECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"

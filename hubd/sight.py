"""What the hub has seen of the mailbox so far. Values only; `looking` uses them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubd.core.settings import Settings
from hubd.spool import Stamp

FRESH = 0.05
"""Seconds in which a file may be written twice without its stamp showing it."""


@dataclass(slots=True)
class Sight:
    """A file that differs from the truth: how it looked, and since when (boot's clock) it has looked so."""

    stamp: Stamp | None
    since: float


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a minute, at most `burst` at once."""

    tokens: float
    at: float
    told: bool = False

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Take one token, if there is one. Half full again, an episode of too much is over."""
        self.tokens = min(burst, self.tokens + (now - self.at) * rate / 60)
        self.at = now
        if self.tokens >= burst / 2:
            self.told = False
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Eyes:
    """What was seen.

    `sights`: files that differ and were not ready yet. `same`: files that equal the truth, or were judged and
    left alone, by stamp; they are not read again. `judged`: the stamp of what was last given to judge.
    `elsewhere`: the commit whose files a person's git has written, and how far the ledger was then.
    """

    sights: dict[str, Sight] = field(default_factory=dict)
    same: dict[str, Stamp] = field(default_factory=dict)
    strays: set[str] = field(default_factory=set)
    judged: dict[str, Stamp] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    wake_at: float | None = None
    bulk: str = ""
    elsewhere: tuple[str, int] = ("", 0)

    def may_send(self, name: str, settings: Settings, mono: float) -> bool:
        """Take one token of an agent's, if it has one."""
        rate, burst = settings.number("rate"), settings.number("burst")
        bucket = self.buckets.setdefault(name, Bucket(burst, mono))
        return bucket.take(mono, rate, burst)

    def remember(self, path: str, stamp: Stamp, wall: float) -> None:
        """Note that a file need not be read again while it looks like this.

        Not one that was written a moment ago: a second write of the same size might leave the same stamp.
        """
        if wall - max(stamp.mtime_ns, stamp.ctime_ns) / 1e9 > FRESH:
            self.same[path] = stamp

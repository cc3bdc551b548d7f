"""What the ledger says of the runs of the last day: how many began, what they cost, how they ended.

Guarantee: a function of the documents that were noted, in the order of their commits; noting one twice
changes nothing. It holds no more than one day.
Rule: times are those that stand in the documents, on the wall's clock, in whole seconds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from statistics import median

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.time import Now, parse_wall

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAILURES = frozenset({"failed", "no_handoff", "timed_out", "over_budget", "not_started"})
"""Outcomes that count against an agent. `done` makes up for them; `lost` and `stopped` say nothing of it."""


@dataclass(slots=True)
class _Past:
    """One agent's last day."""

    began: list[datetime] = field(default_factory=list)
    costs: list[tuple[datetime, float]] = field(default_factory=list)
    failures: int = 0
    stopped: str = ""
    took: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    last_end: datetime | None = None
    known: set[str] = field(default_factory=set)
    over: deque[tuple[datetime, str]] = field(default_factory=deque)
    ended: set[str] = field(default_factory=set)


class Account:
    """Every agent's last day. Feed it the documents of every step, in order; it takes what it needs."""

    def __init__(self) -> None:
        self._agents: dict[str, _Past] = {}
        self._handed: dict[str, dict[str, datetime]] = {}

    # writing

    def note(self, doc: Doc) -> None:
        """Take over a run as it stands, or a handoff that was written in a run; a card forgives its agent."""
        match doc.kind:
            case Kind.RUN:
                self._run(doc)
            case Kind.HANDOFF:
                when = parse_wall(doc.text("created"))
                if doc.text("run") and doc.state == "submitted" and when is not None:
                    self._handed.setdefault(doc.text("run"), {}).setdefault(doc.text("lease"), when)
            case Kind.AGENT if doc.id.startswith("card."):
                self.forgive(doc.id.removeprefix("card."))

    def forgive(self, agent: str) -> None:
        """Forget how its runs ended: a person started it, or its card was saved. What they cost remains."""
        past = self._agents.get(agent)
        if past is not None:
            past.failures, past.last_end, past.stopped = 0, None, ""

    def _run(self, run: Doc) -> None:
        past = self._agents.setdefault(run.text("agent"), _Past())
        began, ended = parse_wall(run.text("created")), parse_wall(run.text("ended"))
        if run.id not in past.known:
            past.known.add(run.id)
            if began is not None:
                insort(past.began, began)
            if run.text("from") != "hub":
                self.forgive(run.text("agent"))
        if run.state != "ended" or ended is None or run.id in past.ended:
            return
        self._handed.pop(run.id, None)
        past.ended.add(run.id)
        past.over.append((ended, run.id))
        past.last_end = max(ended, past.last_end or ended)
        cost = _amount(run.text("cost_usd"))
        if cost:
            insort(past.costs, (ended, cost))
        outcome = run.text("outcome")
        if outcome == "done":
            past.failures = 0
            past.took.append(_amount(run.text("seconds")))
        elif outcome in FAILURES:
            past.failures += 1
        if outcome == "stopped" and run.text("stopped_by") not in ("", "hub"):
            past.stopped = run.text("stopped_by")
        _prune(past, ended)

    # reading

    def launches(self, agent: str, now: Now) -> int:
        """Return how many of its runs began within the last hour."""
        past = self._agents.get(agent)
        return 0 if past is None else len(past.began) - bisect_left(past.began, now.wall - HOUR)

    def cost(self, agent: str, now: Now) -> float:
        """Return what its runs that ended within the last 24 hours cost, in USD."""
        past = self._agents.get(agent)
        return 0.0 if past is None else sum(c for when, c in past.costs if when >= now.wall - DAY)

    def failures(self, agent: str) -> int:
        """Return how many of its runs failed in a row, up to now."""
        past = self._agents.get(agent)
        return 0 if past is None else past.failures

    def stopped_by(self, agent: str) -> str:
        """Return who stopped its last run by hand; empty once it was started again, or its card was saved."""
        past = self._agents.get(agent)
        return "" if past is None else past.stopped

    def typical(self, agent: str) -> float | None:
        """Return the median of the seconds that its latest good runs took; None without any."""
        past = self._agents.get(agent)
        return median(past.took) if past is not None and past.took else None

    def last_end(self, agent: str) -> datetime | None:
        """Return when the last of its runs ended that is not forgiven."""
        past = self._agents.get(agent)
        return None if past is None else past.last_end

    def handed_off(self, run: str) -> Mapping[str, datetime]:
        """Return when a run that goes on handed something off, by the lease that it worked under."""
        return self._handed.get(run, {})

    def launch_in(self, agent: str, most: int, now: Now) -> float:
        """Return the seconds until fewer than `most` of its runs began within an hour; 0 if so now."""
        past = self._agents.get(agent)
        if past is None or self.launches(agent, now) < most:
            return 0.0
        return _until(past.began[-most] + HOUR, now)

    def affordable_in(self, agent: str, most: float, now: Now) -> float:
        """Return the seconds until its last day cost less than `most`; 0 if so now."""
        past = self._agents.get(agent)
        left = self.cost(agent, now)
        if past is None or left < most:
            return 0.0
        for when, cost in past.costs:
            if when >= now.wall - DAY:
                left -= cost
                if left < most:
                    return _until(when + DAY, now)
        return DAY.total_seconds()  # sums of decimals may miss by a hair


def _until(when: datetime, now: Now) -> float:
    # What happened exactly an hour ago still counts: a moment later it does not.
    return max(0.0, (when - now.wall).total_seconds()) + 0.001


def _amount(text: str) -> float:
    """Return an amount that the hub wrote; 0 for anything that is none."""
    try:
        amount = float(text or 0)
    except ValueError:
        return 0.0
    return amount if isfinite(amount) and amount > 0 else 0.0


def _prune(past: _Past, now: datetime) -> None:
    """Forget what lies more than a day back. A run is remembered as long as it could be noted again."""
    del past.began[: bisect_left(past.began, now - DAY)]
    past.costs = [(when, cost) for when, cost in past.costs if when >= now - DAY]
    while past.over and past.over[0][0] < now - DAY:
        _, run = past.over.popleft()
        past.known.discard(run)
        past.ended.discard(run)

"""Runs that go on: which are to be stopped, whose lease is to be renewed, who comes last.

Rule 1: a run whose assignment was taken from it is stopped at once. Rule 2: one that has done what it was
started for has time to come to its own end, and is stopped after that, as its agent's card says; but not
while a run goes on that it led to, since stopping it would stop that too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from hubd.core.card import is_kept_up
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy.account import Account
from hubd.core.policy.terms import Observed, Renew, Stop
from hubd.core.policy.wanted import asks, works_on
from hubd.core.state import HELD, State
from hubd.core.time import Now, format_duration, parse_duration, parse_wall

IDLE = 30 * 60
"""Seconds that are idle, where a card names none."""
TALKING = 6
"""Times `linger` that a run may go on after its handoff, if it never falls silent."""


def launch_of(state: State, agent: str) -> str:
    """Return when an agent is started: manual, auto or always. Who is no program is never started."""
    card = state.card(agent)
    if card is None or card.text("human") == "true" or not card.document.get("command"):
        return ""
    return "always" if is_kept_up(state.settings, agent, card) else card.text("launch") or "manual"


def is_up(run: Doc, seen: Observed | None) -> bool:
    """Return whether a run's process has begun, and is not being stopped."""
    return run.state == "started" and seen is not None and seen.up


def is_alone(run: Doc, seen: Observed | None) -> bool:
    """Return whether a run can be told of nothing more. Until it is up, its runtime says what it will be."""
    return seen.alone if seen is not None and seen.up else run.text("runtime") != "pty"


def stop_order(state: State, runs: Iterable[Doc]) -> list[Doc]:
    """Return runs in the order in which to stop them together: children first, the orchestrator last."""
    last = state.settings.word("orchestrator")
    return sorted(
        runs,
        key=lambda r: (r.text("agent") == last, -r.number("depth", 1), -r.number("rev"), r.id),
    )


class Going:
    """One look at all runs that go on. `waits` are the seconds after which the next one would change it."""

    def __init__(self, state: State, account: Account, observed: Mapping[str, Observed], now: Now) -> None:
        self.state, self.account, self.observed, self.now = state, account, observed, now
        self.waits: list[float] = []
        stopped: dict[str, str] = {}
        renews: list[Renew] = []
        runs = [r for r in state.runs() if r.state == "started"]
        self._parents = {r.text("parent") for r in state.runs()}
        for run in runs:
            why = self._taken(run) or self._over(run)
            if why:
                stopped[run.id] = why
            else:
                renews += self._renewals(run)
        self.stops = tuple(
            Stop(r.id, stopped[r.id]) for r in stop_order(state, [r for r in runs if r.id in stopped])
        )
        self.renews = tuple(renews)

    # at once

    def _taken(self, run: Doc) -> str:
        """Return why a run may not go on with its assignment; empty where it may, or has ended it itself."""
        number, ids = run.text("lease"), run.texts("on")
        if not number or not ids or self._holds(ids[0], number) or self._handed_off(run) is not None:
            return ""
        doc = self.state.get(ids[0])
        if doc is None:
            return f"{ids[0]} is not its to do any more"
        if doc.state == "failed":
            return ""  # given up, most likely by itself: it may say its last words
        if doc.state in (*HELD, "input_required"):
            return f"{doc.id} is held under lease {doc.text('lease')} now, not {number}"
        return f"{doc.id} is {doc.state}"

    def _holds(self, assignment: str, number: str) -> bool:
        lease = self.state.lease(assignment)
        return lease is not None and lease.text("lease") == number

    def _handed_off(self, run: Doc) -> datetime | None:
        """Return when a run handed off what it was started for."""
        number = run.text("lease")
        known = self.account.handed_off(run.id).get(number)
        if known is not None or not number or not run.texts("on"):
            return known
        for handoff in self.state.children(run.texts("on")[0], Kind.HANDOFF):
            if handoff.text("lease") == number:
                return parse_wall(handoff.text("created"))
        return None

    # after a while

    def _over(self, run: Doc) -> str:
        """Return why a run is over by its card's `shutdown`; empty where it is not."""
        seen, agent = self.observed.get(run.id), run.text("agent")
        card = self.state.card(agent)
        if seen is None or not seen.up or card is None or run.id in self._parents:
            return ""
        if launch_of(self.state, agent) == "always":
            return ""
        shutdown = card.text("shutdown") or "empty"
        if shutdown == "manual":
            return ""
        # Before it said anything at all, it was silent since its beginning.
        quiet = min(seen.quiet, self._ago(run.text("created"), seen.quiet))
        if shutdown == "idle" or not run.texts("on"):
            most = parse_duration(card.text("idle_timeout")) or IDLE
            if any(works_on(self.state, run, id_) for id_ in run.texts("on")):
                return ""
            return self._when(f"it was idle for {format_duration(most)}", most - quiet)
        if not self._is_done(run, seen):
            return ""
        linger = self.state.settings.seconds("linger")
        handed = self._handed_at(run)
        if handed is None:
            return self._when("nothing needs action any more", linger - quiet)
        since = (self.now.wall - handed).total_seconds()
        left = min(linger - min(quiet, since), TALKING * linger - since)
        return self._when("its work is handed off", left)

    def _when(self, why: str, left: float) -> str:
        if left <= 0:
            return why
        self.waits.append(left)
        return ""

    def _ago(self, wall: str, default: float) -> float:
        when = parse_wall(wall)
        return default if when is None else max(0.0, (self.now.wall - when).total_seconds())

    def _handed_at(self, run: Doc) -> datetime | None:
        """Return when a run last handed something off."""
        known = [*self.account.handed_off(run.id).values()]
        first = self._handed_off(run)
        return max([*known, *([first] if first is not None else [])], default=None)

    def _is_done(self, run: Doc, seen: Observed) -> bool:
        if seen.alone and self._handed_off(run) is not None:
            return True  # should what it did be tried again, another run does it
        return not any(self._asks(run, id_) for id_ in run.texts("on"))

    def _asks(self, run: Doc, id_: str) -> bool:
        """Return whether a document asks this run to act."""
        doc = self.state.get(id_)
        if doc is None or not any(p.startswith(f"agents/{run.text('agent')}/inbox/") for p in doc.paths):
            return False
        return works_on(self.state, run, id_) or asks(self.state, doc)

    # meanwhile

    def _renewals(self, run: Doc) -> Iterator[Renew]:
        """Yield the leases of a run that is at work, as long as less than a third of their term is left."""
        seen = self.observed.get(run.id)
        if seen is None or not seen.up or seen.quiet >= self.state.settings.seconds("quiet_warn"):
            return
        for id_ in run.texts("on"):
            lease = self.state.lease(id_) if works_on(self.state, run, id_) else None
            if lease is None or not lease.text("deadline") or lease.text("boot") != self.now.boot:
                continue
            early = float(lease.text("deadline")) - self.now.mono - lease.number("ttl") / 3
            if early < 0:
                yield Renew(lease.id)
            else:
                self.waits.append(early + 0.001)

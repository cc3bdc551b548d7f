"""Start, watch and end agents' processes, inside the daemon's loop.

Guarantee: whatever the ledger says is carried out, and may be asked for again: a run that was committed as
started is begun once, one that is stopping is stopped, and one whose process is gone is ended.
Rule 1: nothing here decides who may run; it asks `core.policy`, and proposes. Rule 2: no turn waits.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from hubd.accounting import account_of
from hubd.core import policy
from hubd.core.document import Value
from hubd.core.due import ask
from hubd.core.effect import Doc, Proposal, Step
from hubd.core.model import Kind
from hubd.hub import Hub
from hubd.jobs import Jobs
from hubd.outcome import Outcome
from hubd.runs import ending, leftovers, preparing, telling
from hubd.runs.live import LiveRuns, Say

__all__ = ["Launcher"]

PLAN_EVERY = 0.05
"""Seconds between two looks at who is to be started, while much is recorded."""
LOOK_AGAIN = 30.0
"""Seconds after which an agent that this machine could not start is looked at again."""


class Launcher:
    """All runs of one hub."""

    def __init__(
        self, hub: Hub, selector: selectors.BaseSelector, say: Say, base: Mapping[str, str] | None = None
    ) -> None:
        self.hub = hub
        self.say = say
        self.base = os.environ if base is None else base
        self.account = account_of(hub)
        self.held: tuple[policy.Held, ...] = ()
        self._selector = selector
        self._jobs = Jobs()
        self._runs = LiveRuns(hub, selector, self._jobs, say, self.base)
        self._runs.typical = self.account.typical
        self._steps: deque[Step] = deque()
        self._lost: deque[str] = deque()
        self._postponed: dict[str, list[Doc]] = {}
        self._checks: deque[tuple[str, dict[str, Value]]] = deque()
        self._planned = -1
        self._planned_at = -PLAN_EVERY
        self._plan_at = 0.0
        self._told: set[str] = set()
        self._abandoned = False
        self._fitness: dict[str, tuple[Doc | None, float, str]] = {}
        selector.register(self._jobs, selectors.EVENT_READ, _nothing)

    # the daemon's loop

    def begin(self) -> None:
        """End what an earlier hub began: nothing of it goes on. The hub need not wait for that."""
        lost = [run.id for run in self.hub.state.runs()]
        self._jobs.ask(
            "leftovers", leftovers.clear_all(self.hub, self.base), lambda told: self._cleared(lost, told)
        )

    def _cleared(self, lost: Sequence[str], told: object) -> None:
        if isinstance(told, BaseException):
            self.say("error", f"what an earlier hub left could not be ended: {told!r}")
        for said in told if isinstance(told, list) else ():
            self.say("warning", said)
        self._lost.extend(lost)

    def noted(self, step: Step) -> None:
        """Remember a recorded step; it is acted on in the next turn."""
        self._steps.append(step)

    def pause(self) -> float:
        """Return the seconds in which nothing needs to be done."""
        if self._steps or self._lost or self._checks or self._runs.busy():
            return 0.0
        return max(0.0, self._next_plan() - time.monotonic())

    def _next_plan(self) -> float:
        """Return when who is to be started must be looked at again, on the monotonic clock."""
        if self._planned != self.hub.state.seq:
            return min(self._plan_at, self._planned_at + PLAN_EVERY)
        return self._plan_at

    def turn(self) -> list[Outcome]:
        """Do what is to be done now. Raises LedgerError, SpoolError: call it again."""
        self._jobs.take()
        if self._runs.turn(time.monotonic()):
            self._plan_at = 0.0  # somebody may have waited for this one
        self._follow()
        outcomes = self._settle()
        self._runs.finish()
        self._follow()
        if time.monotonic() >= self._next_plan():
            outcomes += self._plan()
            self._follow()
        return outcomes

    def facts(self) -> dict[str, Any]:
        """Return what only a running daemon knows of runs, for front ends."""
        now, state, at = time.monotonic(), self.hub.state, self.hub.now()
        observed = self._runs.observed(now)
        return {
            "runs": self._runs.facts(now),
            "held": [
                {"agent": h.agent, "on": list(h.on), "code": h.code, "message": h.message, "hint": h.hint}
                for h in self.held
            ],
            "states": {n: policy.agent_state(state, self.account, n, observed) for n in state.cards},
            "cost": {n: round(self.account.cost(n, at), 4) for n in state.cards},
        }  # fmt: skip

    def close(self, wait: float) -> None:
        """Stop every run and record its end, the orchestrator's last. `wait`: seconds for all of them.

        Nobody asked for these stops, so what they leave undone is begun anew by the next hub.
        """
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            self._follow()
            self._runs.halt_next()
            if not self._runs:
                break
            self._selector.select(0.05)
            self._jobs.take()
            self._runs.turn(time.monotonic())
            self._runs.finish()
        for run in sorted(self._runs.ids):
            self.say("warning", f"{run} was not over after {wait:g} s; it is ended at the next start")
        self.abandon()

    def tidy(self) -> None:
        """Remove the output of old runs, and worktrees that hold nothing any more, in the background."""
        self._jobs.ask("tidy", ending.tidying(self.hub, self._runs.ids), self._tidied)

    def _tidied(self, told: object) -> None:
        for said in told if isinstance(told, list) else ():
            self.say("info", said)
        if isinstance(told, BaseException):
            self.say("warning", f"old runs could not be tidied away: {told}")

    def abandon(self) -> None:
        """Let go of everything: a wrapper whose hub is gone ends its run by itself. May be called twice."""
        if self._abandoned:
            return
        self._abandoned = True
        self._runs.abandon()
        self._selector.unregister(self._jobs)
        self._jobs.close()

    # proposals

    def _judge(self, proposals: Sequence[Proposal]) -> list[Outcome]:
        return self.hub.judge_all(proposals) if proposals else []

    def _plan(self) -> list[Outcome]:
        """Ask policy, and propose what it says."""
        state, now = self.hub.state, time.monotonic()
        self._planned, self._planned_at = state.seq, now
        plan = policy.plan(state, self.account, self._runs.observed(now), self.hub.now(), self._unfit(now))
        self.held = plan.held
        again = plan.again_in if plan.again_in is not None else LOOK_AGAIN
        self._plan_at = now + min(again, LOOK_AGAIN)
        proposals = [ask("stop", stop.run, note=stop.why) for stop in plan.stops]
        proposals += [_request("start", start.agent, start.on) for start in plan.starts]
        proposals += [ask("renew", renew.lease) for renew in plan.renews]
        proposals += telling.held_back(plan.held, self._told)
        outcomes = self._judge(proposals)
        for tell in plan.tells:
            outcomes += self._tell(tell)
        return outcomes

    def _unfit(self, now: float) -> dict[str, str]:
        """Return which agents this machine cannot start, and why. A look costs, so it holds for a while."""
        found: dict[str, str] = {}
        for name, card in self.hub.state.cards.items():
            if not card.document.get("command"):
                continue
            seen, at, why = self._fitness.get(name, (None, 0.0, ""))
            if seen is not card or now - at >= LOOK_AGAIN:
                why = preparing.unfit(card, self.base, self.hub.state.settings.word("engine"))
                self._fitness[name] = (card, now, why)
            if why:
                found[name] = why
        return found

    def _tell(self, tell: policy.Tell) -> list[Outcome]:
        """Tell a run that goes on of new documents: recorded first, then typed."""
        if tell.run not in self._runs:
            return []
        outcomes = self._judge([_request("show", tell.run, tell.on)])
        if any(outcome.seq for outcome in outcomes):
            docs = [doc for id_ in tell.on if (doc := self.hub.state.get(id_)) is not None]
            self._type(tell.run, "New in your inbox", docs)
        return outcomes

    def _type(self, run: str, what: str, docs: Sequence[Doc]) -> None:
        paths = [str(self.hub.layout.root / doc.paths[0]) for doc in docs if doc.paths]
        self._runs.type(run, f"{what}: {', '.join(paths)}")

    # what was recorded

    def _settle(self) -> list[Outcome]:
        """Record what jobs have found."""
        outcomes: list[Outcome] = []
        while self._lost:
            run = self.hub.state.get(self._lost[0])
            if run is not None and run.id not in self._runs:
                leftovers.end_lost(self.hub, run)
            self._lost.popleft()
        for over in [run for run in self._postponed if run not in self._runs]:
            for waiting in self._postponed.pop(over):
                self._examine(waiting)
        while self._checks:
            handoff, result = self._checks[0]
            outcomes += self._judge([ask("check", handoff, result=result)])
            self._checks.popleft()
        return outcomes

    def _follow(self) -> None:
        """Act on the steps that were recorded since."""
        while self._steps:
            self._noted(self._steps[0])
            self._steps.popleft()

    def _noted(self, step: Step) -> None:
        self._runs.heard(step.transition.actor, time.monotonic())
        for doc in step.documents:
            self.account.note(doc)
            if doc.kind is Kind.RUN:
                self._runs.changed(doc, begun=doc.state == "started" and step.transition.do == "start")
            elif doc.kind is Kind.HANDOFF and step.transition.do == "submit":
                self._handed_off(doc)
            elif doc.kind is Kind.ASSIGNMENT and step.transition.kind is Kind.QUESTION:
                self._answered(doc)

    def _answered(self, assignment: Doc) -> None:
        """A run that waits in its terminal for an answer is told that it is there."""
        if assignment.state == "in_progress" and assignment.text("worker") in self._runs:
            self._type(assignment.text("worker"), "Your question is answered", [assignment])

    # evidence

    def _handed_off(self, handoff: Doc) -> None:
        """Work is looked at when nobody changes it any more: at the end of the run, if it has one."""
        if self._runs.ends_by_itself(handoff.text("run")):
            self._postponed.setdefault(handoff.text("run"), []).append(handoff)
        else:
            self._examine(handoff)

    def _examine(self, handoff: Doc) -> None:
        """Look at the work that a handoff names, and record what was found."""
        order = ending.examination(self.hub, handoff)
        if order is not None:
            self._jobs.ask(order.key, order.act, lambda found: self._examined(handoff.id, found))

    def _examined(self, handoff: str, found: object) -> None:
        if isinstance(found, BaseException):
            self.say("warning", f"{handoff}: its work could not be looked at: {found}")
        self._checks.append((handoff, ending.evidence_of(found)))


def _nothing() -> None:
    """Being woken is enough."""


def _request(do: str, on: str, about: Sequence[str]) -> Proposal:
    """Return the hub's request about some documents; none are named where none are meant."""
    fields: dict[str, Value] = {"for": tuple(about)} if about else {}
    return ask(do, on, "", **fields)

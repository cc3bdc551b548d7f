"""Who is started now, who is told instead, and why somebody is not.

Guarantee: no plan takes more than any limit leaves, what it starts itself counted in.
Rule: where all would be started and not all can be, the oldest document goes first, whoever's it is. An agent
that may not start for reasons of its own keeps nobody else waiting. The orchestrator does, until it is up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy.account import Account
from hubd.core.policy.going import is_alone, is_up, launch_of
from hubd.core.policy.terms import PAUSE, Held, Observed, Start, Tell
from hubd.core.policy.wanted import choose, is_full, needs_claim, parted, waiting, works_on
from hubd.core.state import State
from hubd.core.time import Now, format_duration

ENOUGH = 500
"""Documents of one agent, the oldest, that a plan looks at; the others come to their turn later."""
LONGEST = 86_400.0
"""Seconds between two tries of an agent that fails, at most."""


@dataclass(slots=True)
class _Agent:
    """One agent that may be started: what waits for it, what goes on, what this plan has begun."""

    name: str
    card: Doc
    policy: str
    runs: list[Doc]
    docs: list[Doc]
    begun: int = 0
    claims: int = 0
    taken: set[str] = field(default_factory=set)


class Starting:
    """One look at everybody who has a card. `waits` are the seconds after which the next one could differ."""

    def __init__(
        self,
        state: State,
        account: Account,
        observed: Mapping[str, Observed],
        now: Now,
        unfit: Mapping[str, str],
        stopped: frozenset[str],
    ) -> None:
        self.state, self.account, self.observed, self.now, self.unfit = state, account, observed, now, unfit
        self.stopped = stopped
        self.settings = state.settings
        self.leader = state.settings.word("orchestrator")
        self.starts: list[Start] = []
        self.tells: list[Tell] = []
        self.held: list[Held] = []
        self.waits: list[float] = []
        runs = state.runs()
        self._going = len(runs)
        mine: dict[str, list[Doc]] = {}
        for run in runs:
            mine.setdefault(run.text("agent"), []).append(run)
        self._leader_comes = self._is_coming(mine.get(self.leader, []))
        queue: list[tuple[bool, int, str, _Agent, tuple[Doc, ...]]] = []
        for name, card in state.cards.items():
            policy, known = launch_of(state, name), mine.get(name, [])
            lasting = [r for r in self._staying(known) if not is_alone(r, observed.get(r.id))]
            if not policy or (policy == "manual" and not lasting):
                continue
            agent = _Agent(name, card, policy, known, self._near(name))
            if lasting:  # it is told of what is new, and started no second time
                self._tell(agent, lasting)
            else:
                self._enqueue(queue, agent)
        heapify(queue)
        while queue:
            *_, agent, docs = heappop(queue)
            held = self._barred(agent, docs)
            if held is not None:
                self.held.append(held)
                continue
            self._start(agent, docs)
            self._enqueue(queue, agent)

    # what there is to do

    def _near(self, name: str) -> list[Doc]:
        """Return what waits for an agent, without what too many runs have led to."""
        near, deep = parted(self.state, waiting(self.state, name), ENOUGH)
        if deep:
            most, ids = self.settings.number("max_depth"), tuple(d.id for d in deep)
            what = f"{ids[0]} and {len(ids) - 1} more follow" if len(ids) > 1 else f"{ids[0]} follows"
            said = f"{what} from {most} runs that led to one another, and max_depth is {most}"
            hint = "act on it yourself, or raise max_depth in hub.yaml"
            self.held.append(Held(name, ids, "run-too-deep", said, hint, True))
        return near

    def _tell(self, agent: _Agent, lasting: list[Doc]) -> None:
        """Tell an agent's long-lived run of what came since, as soon as it is up."""
        up = self._up(lasting)
        if not up or not agent.docs:
            return
        run = up[0]
        # One assignment after the other; and what another run has begun, a run of its own takes over.
        busy = any(self._has_in_hand(run, id_) for id_ in run.texts("on"))
        docs = [d for d in agent.docs if d.kind is not Kind.ASSIGNMENT or (needs_claim(d) and not busy)]
        chosen = choose(docs, is_full(self.state, agent.name))
        ids = tuple(d.id for d in chosen or agent.docs[:1])
        held = self._paused(agent, ids)
        if held is None and not chosen:
            said, hint = f"{run.id} goes on, and cannot be told of it now", "it is its turn after that"
            held = Held(agent.name, ids, "no-slot", said, hint)
        held = held or self._full(agent, chosen)
        if held is not None:
            self.held.append(held)
        else:
            self.tells.append(Tell(run.id, ids))

    def _has_in_hand(self, run: Doc, id_: str) -> bool:
        """Return whether a run works on an assignment, or has asked about it and waits for the answer."""
        doc = self.state.get(id_)
        asked = doc is not None and doc.state == "input_required" and doc.text("worker") == run.id
        return asked or works_on(self.state, run, id_)

    def _enqueue(self, queue: list[tuple[bool, int, str, _Agent, tuple[Doc, ...]]], agent: _Agent) -> None:
        """Put an agent in line with what its next run would be for."""
        docs = choose(
            [d for d in agent.docs if d.id not in agent.taken],
            is_full(self.state, agent.name, agent.claims),
        )
        if not docs and not self._is_missed(agent):
            return
        age = docs[0].number("rev") if docs else -1
        heappush(queue, (agent.name != self.leader, age, agent.name, agent, docs))

    def _is_missed(self, agent: _Agent) -> bool:
        """Return whether an agent that is always there is not. It rests for `backoff` after each run."""
        if agent.policy != "always" or agent.begun or self._staying(agent.runs):
            return False
        by = self.account.stopped_by(agent.name)
        if by:
            said, hint = (
                f"{by} stopped it",
                f"`hubctl start {agent.name}` starts it, or its card, saved again",
            )
            self.held.append(Held(agent.name, (), "stopped", said, hint))
            return False
        return self._rested(agent.name, self.settings.seconds("backoff"))

    def _rested(self, name: str, rest: float) -> bool:
        last = self.account.last_end(name)
        left = rest - (self.now.wall - last).total_seconds() if last is not None else 0.0
        if left > 0:
            self.waits.append(left)
        return left <= 0

    def _is_coming(self, runs: list[Doc]) -> bool:
        """Return whether the orchestrator is started, and not up yet."""
        return bool(self._staying(runs)) and not self._up(runs)

    def _up(self, runs: list[Doc]) -> list[Doc]:
        return [r for r in self._staying(runs) if is_up(r, self.observed.get(r.id))]

    def _staying(self, runs: list[Doc]) -> list[Doc]:
        """Return the runs that are not being stopped, and not to be stopped by this plan."""
        return [r for r in runs if r.state == "started" and r.id not in self.stopped]

    # whether it may be done

    def _start(self, agent: _Agent, docs: tuple[Doc, ...]) -> None:
        self.starts.append(Start(agent.name, tuple(d.id for d in docs)))
        self._going += 1
        agent.begun += 1
        agent.claims += sum(needs_claim(d) for d in docs)
        agent.taken.update(d.id for d in docs)
        if agent.name == self.leader and not self._up(agent.runs):
            self._leader_comes = True

    def _barred(self, agent: _Agent, docs: tuple[Doc, ...]) -> Held | None:
        """Return why an agent is not started, or None. What needs a person is said before what passes."""
        name, ids = agent.name, tuple(d.id for d in docs)
        found = self._paused(agent, ids) or self._unfit(agent, ids) or self._failing(agent, ids)
        found = found or self._spent(agent, ids) or self._full(agent, docs)
        if found is not None:
            return found
        if self._leader_comes and name != self.leader:
            said, hint = f"{self.leader} is the orchestrator, and not up yet", f"`hubctl logs {self.leader}`"
            return Held(name, ids, "orchestrator-first", said, hint)
        replicas = max(1, agent.card.number("replicas", 1))
        going = len(agent.runs) + agent.begun
        if going >= replicas:
            said = f"{going} of its runs {_go(going)} on, and its replicas are {replicas}"
            return Held(name, ids, "no-slot", said, "it is started when one ends")
        most = self.settings.number("max_concurrency")
        if self._going >= most:
            said = f"{self._going} runs {_go(self._going)} on, and max_concurrency is {most}"
            return Held(name, ids, "no-slot", said, "it is started when one ends: the oldest work goes first")
        return None

    def _full(self, agent: _Agent, docs: tuple[Doc, ...]) -> Held | None:
        """Return why nothing more can be claimed, where what comes next must be."""
        if not docs or not needs_claim(docs[0]) or not is_full(self.state, agent.name, agent.claims):
            return None
        most = self.settings.number("max_simultaneous_assignments")
        said = f"it holds {most} assignments, and max_simultaneous_assignments is {most}"
        return Held(agent.name, (docs[0].id,), "too-many-held", said, "it goes on when one of them ends")

    def _paused(self, agent: _Agent, ids: tuple[str, ...]) -> Held | None:
        for who in ("hub", agent.name):
            if self.state.lease(PAUSE + who) is not None:
                resume = "`hubctl resume`" if who == "hub" else f"`hubctl resume {who}`"
                return Held(agent.name, ids, "paused", f"{who} is paused", f"{resume} goes on")
        return None

    def _unfit(self, agent: _Agent, ids: tuple[str, ...]) -> Held | None:
        why = self.unfit.get(agent.name)
        if not why:
            return None
        hint = f"`hubctl agent show {agent.name}` looks at what it needs"
        return Held(agent.name, ids, "unfit", why, hint, True)

    def _failing(self, agent: _Agent, ids: tuple[str, ...]) -> Held | None:
        """After a failure an agent waits, twice as long with each; after too many it waits for a person."""
        name, failures = agent.name, self.account.failures(agent.name)
        if not failures:
            return None
        times = "once" if failures == 1 else f"{failures} times in a row"
        if failures >= self.settings.number("max_failures"):
            hint = f"`hubctl runs` says how; `hubctl start {name}`, or saving its card, tries again"
            return Held(name, ids, "crash-loop", f"it failed {times}", hint, True)
        rest = min(self.settings.seconds("backoff") * 2.0 ** (failures - 1), LONGEST)
        if self._rested(name, rest):
            return None
        said = f"it failed {times}, and waits for {format_duration(rest)}"
        return Held(name, ids, "crash-loop", said, f"`hubctl start {name}` does not wait")

    def _spent(self, agent: _Agent, ids: tuple[str, ...]) -> Held | None:
        """Launches are counted by the hour, money by the day."""
        name, most = agent.name, self.settings.number("max_launches_per_hour")
        if self.account.launches(name, self.now) + agent.begun >= most:
            left = self.account.launch_in(name, max(1, most - agent.begun), self.now)
            self.waits.append(left)
            said = f"it was started {most} times within an hour, and max_launches_per_hour is {most}"
            hint = f"it goes on in {format_duration(left + 1)}; `hubctl runs` shows what it did"
            return Held(name, ids, "too-many-launches", said, hint, True)
        budget = self.settings.amount("budget_usd_day")
        if not budget:
            return None
        spent = self.account.cost(name, self.now)
        # What goes on may yet cost as much as its card lets it.
        open_ = (len(agent.runs) + agent.begun) * _amount(agent.card)
        if spent + open_ < budget:
            return None
        said = f"its runs of the last 24 hours cost {spent:.2f} USD, and budget_usd_day is {budget:g}"
        if spent >= budget:
            left = self.account.affordable_in(name, budget, self.now)
            self.waits.append(left)
            hint = f"it goes on in {format_duration(left + 1)}; or raise budget_usd_day"
            return Held(name, ids, "budget-day", said, hint, True)
        said += f", of which what goes on may take {open_:g}"
        return Held(name, ids, "budget-day", said, "it goes on when that has ended, and cost less")


def _go(count: int) -> str:
    return "goes" if count == 1 else "go"


def _amount(card: Doc) -> float:
    """Return what one run of an agent may cost: its card was checked when it was saved."""
    return float(card.text("budget_usd") or 0)
